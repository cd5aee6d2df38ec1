"""What a model may say because both engines understand it alike, and what to write instead of the rest.

Advice names our macros in Jinja's brackets; `test_walls.py` looks that each of them exists.
"""

import re


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


# Functions that mean the same on both engines; a model may call these and the project's macros, and no other.
PORTABLE = _words(
    """
    abs any_value array_agg array_contains array_sort avg cast coalesce contains count date_trunc dense_rank extract
    first_value flatten floor greatest lag lead least left length lower max median min nullif pow regexp_extract
    regexp_replace replace round row_number split_part sqrt substring sum translate trim try_cast upper
    """
)
# What stands before a bracket and is no function: types, and the words of Jinja and dbt.
WORDS = _words(
    """
    decimal varchar
    call caller config env_var is_incremental join local_md5 map namespace range ref reject return run_query source statement var
    """
)
# Functions that people know from elsewhere, by what to write instead.
_INSTEAD = {
    "{{ as_of() }}: a model that asks the clock gives other rows tomorrow": "now today get_current_timestamp current_localtimestamp transaction_timestamp getdate sysdate current_timestamp current_date localtimestamp",
    "nothing of chance: a rebuild gives the same rows. {{ sha256_hex(…) }} of what makes the row itself names it": "random rand randn uuid gen_random_uuid newid shuffle setseed monotonically_increasing_id",
    "date_trunc(…) or extract(… from …), and text only where somebody reads it": "strftime date_format to_char format_date",
    "extract(… from …)": "date_part datepart year quarter month day dayofmonth hour minute second yearweek",
    "date_trunc('week', …), which begins on Monday: engines count days and weeks of their own": "dayofweek isodow weekday dow week weekofyear",
    "{{ days_between(…) }}, {{ whole_days(…) }} or {{ whole_minutes(…) }}": "date_diff datediff datesub date_sub timestampdiff timestamp_diff months_between age",
    "{{ days_after(…) }}, {{ days_before(…) }}, {{ years_after(…) }}, or + interval '…' day": "date_add dateadd timestampadd add_months to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds",
    "{{ epoch_micros(…) }}": "epoch epoch_ms epoch_us epoch_ns unix_timestamp unix_micros unix_millis unix_seconds to_unixtime",
    "{{ moment(…) }} for a text, {{ moment_of_micros(…) }} for a number": "strptime try_strptime to_timestamp to_timestamp_ntz try_to_timestamp make_timestamp make_timestamp_ms timestamp_micros timestamp_millis from_unixtime parse_timestamp",
    "cast(… as date)": "to_date try_to_date make_date todate",
    "{{ local_time(…) }}": "timezone from_utc_timestamp to_utc_timestamp convert_timezone",
    "{{ json_text(…) }}, {{ json_texts(…) }} or {{ json_member(…) }}": "json_extract json_extract_string json_extract_path json_extract_path_text get_json_object json_value from_json try_variant_get variant_get",
    "{{ json_keys(…) }}": "json_object_keys",
    "{{ json_items(…) }} or {{ json_elements(…) }}, then {{ each(…) }}": "json_each json_tree json_array_elements json_transform json_array_length json_query",
    "{{ json_object_of(…) }}": "json_object json_build_object to_json json_group_object row struct_pack named_struct struct object_construct map_from_entries",
    "{{ json_list_of(…) }}": "json_array json_group_array",
    "{{ each(…) }} or {{ each_leaf(…) }} in the from": "unnest explode explode_outer posexplode inline generate_subscripts stack",
    "{{ each(…) }} in the from, then an aggregate or a where": "list_transform list_apply array_transform array_apply transform list_filter array_filter filter list_reduce reduce aggregate list_aggregate list_sum list_max list_min list_any_value exists forall zip_with",
    "array_contains(…)": "list_contains list_has array_has",
    "array_sort(…)": "list_sort list_reverse_sort sort_array",
    "{{ unique_items(…) }}": "list_distinct array_distinct list_unique",
    "alias.field": "struct_extract struct_element",
    "{{ nth(…) }}": "element_at list_extract list_element array_extract try_element_at get",
    "{{ list_of_one(…) }}": "list_value",
    "array_sort(array_agg(…)), for no order is kept without": "list collect_list collect_set string_agg group_concat listagg array_to_string array_join",
    "|| between lists": "list_concat array_concat array_append list_append array_prepend list_prepend",
    "length(…) for a text; for a list {{ each(…) }} and a count": "len char_length character_length strlen octet_length array_length array_size list_count size cardinality",
    "{{ max_by(…) }} or {{ min_by(…) }}, which say what decides": "arg_max argmax arg_min argmin first last first_value_by last_by",
    "median(…), or number the rows in a subquery and ask there": "quantile quantile_cont quantile_disc percentile percentile_cont percentile_disc percentile_approx approx_percentile approx_quantile",
    "count(distinct …)": "approx_count_distinct hll_sketch_estimate",
    "max(case when … then 1 else 0 end) = 1, min for all": "bool_or bool_and any some every logical_or",
    "count(case when … then 1 end)": "count_if countif",
    "sum(case when … then … end)": "sum_if sumif",
    "coalesce(…)": "ifnull nvl zeroifnull",
    "is null": "isnull",
    "case when … then … else … end": "if iff iif nvl2 decode switch",
    "||, with coalesce where a part may be missing": "concat concat_ws format printf format_string",
    "{{ sha256_hex(…) }}, or {{ hash_bigint(…) }} for a number": "md5 md5_number md5_number_lower sha sha1 sha2 sha256 hash xxhash64 murmur_hash crc32 farm_fingerprint",
    "{{ hex_bigint(…) }}": "conv unhex from_hex",
    "{{ matches(…) }}": "regexp_matches regexp_like rlike regexp_full_match regexp_instr",
    "split_part(…)": "split string_split str_split string_to_array regexp_split_to_array split_to_array",
    "contains(…), or length(split_part(…)) for the place": "instr strpos position locate charindex",
    "left(…, n) = …, or like": "starts_with startswith prefix ends_with endswith suffix",
    "substring(…)": "substr substring_index right",
    "replace(…) or regexp_replace(…)": "overlay",
    "trim(…)": "btrim strip",
    "regexp_replace(…) with ^ or $": "ltrim rtrim",
    "{{ nfc(…) }}": "nfc_normalize normalize",
    "{{ url_parameter(…) }}": "url_decode try_url_decode parse_url",
    "-floor(-…)": "ceil ceiling",
    "cast(floor(…) as bigint), which rounds down below zero, too": "trunc truncate div",
    "%": "mod fmod",
    "pow(…)": "power",
    "dense_rank() or row_number(), cast to bigint": "rank ntile percent_rank cume_dist",
    "{{ last_known(…) }} or {{ first_known(…) }}, or max over a window": "last_value nth_value",
    "a reference list: ref(…) of a seed": "generate_series sequence read_csv read_csv_auto read_json read_json_auto read_parquet glob",
}
INSTEAD = {name: advice for advice, names in _INSTEAD.items() for name in _words(names)}
# Ways of writing that one engine refuses or reads otherwise, and what to write instead.
CONSTRUCTS = {
    r"\bqualify\b": "number the rows in a subquery and ask there",
    r"\b(asof|anti|semi|positional|natural)\s+join\b": "a left join on what it means, and a look for NULL, or a subquery with in",
    r"\bexclude\s*\(|\*\s+except\s*\(|\*\s+replace\s*\(": "name the columns",
    r"\bdistinct\s+on\b": "{{ min_by(…) }}, {{ max_by(…) }} or a numbered subquery",
    r"\b(group|order)\s+by\s+all\b": "name the columns",
    r"\bignore\s+nulls\b": "{{ last_known(…) }} or {{ first_known(…) }}",
    r"array_agg\([^()]*\border\s+by\b": "array_sort(array_agg(…))",
    r"\blateral\b|\bunnest\b|\bexplode\b": "{{ each(…) }} or {{ each_leaf(…) }}",
    r"\b(un)?pivot\b": "one case when for each column",
    r"\busing\s+sample\b|\btablesample\b": "nothing of chance: a rebuild gives the same rows",
    r"\b(current_timestamp|current_date|current_time|localtimestamp)\b": "{{ as_of() }}: a model that asks the clock gives other rows tomorrow",
    r"\bat\s+time\s+zone\b": "{{ local_time(…) }}",
    r"\bextract\(\s*(?!(year|quarter|month|day|hour|minute|second)\b)\w+\s+from\b": "extract of year, quarter, month, day, hour, minute or second; {{ epoch_micros(…) }} for seconds since 1970",
    r"\bwith\s+recursive\b|\busing\s+key\b": "a materialization: Sail has no recursion",
    r"\bsimilar\s+to\b|!?~\*?\s+'|\brlike\b|\bglob\s+'": "{{ matches(…) }}",
    r"->>?": "{{ json_text(…) }} for a member, {{ each(…) }} for a function of items",
    r"\blambda\b|\[\s*\w+\s+for\b": "{{ each(…) }}",
    r"::\s*\w+": "cast(… as …)",
    r"\bas\s+(text|char|string|varchar)\s*\)": "cast(… as {{ dbt.type_string() }})",
    r"\bas\s+(timestamptz|timestamp_ltz|timestamp_\w+|datetime)\s*\)": "cast(… as timestamp), which is UTC",
    r"\bas\s+(hugeint|uhugeint|u\w*int|int[248]|long|short|byte)\s*\)": "cast(… as bigint)",
    r"\bas\s+(real|float[48]?)\s*\)": "cast(… as double), or decimal(p, s) for money",
    r"<=>": "is not distinct from",
    r"==": "=",
    r"(?<!:)//|\bdiv\b": "cast(floor(… / …) as bigint)",
    r"\*\*|\^": "pow(…)",
    r"(?<![\w)\]])\[\s*(\d|'|\])": "{{ list_of_one(…) }}, and || between lists",
    r"\{\s*'": "{{ json_object_of(…) }}",
    r"[\w)]\[[1-9]\d*\]": "{{ nth(…) }}",
}
# The same of what stands in texts and in Jinja.
SPELLINGS = {
    r"'[^'\n]*\\(?!\")[^'\n]*'": "no backslash in a text: each engine reads it in its own way",
    r"\{\{\s*each(_leaf)?\([^}]*,\s*'(?P<item>\w+)'\)\s*\}\}\s*where\b[^)]*?\b(?P=item)\.": "ask for the item in the next step: Sail does not know it in the WHERE beside",
    r"\{\{\s*each(_leaf)?\([^}]*\}\}\s*(left|inner|cross|full|join)\b": "join in the next step: on Spark nothing comes after each",
}
