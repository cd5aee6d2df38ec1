{# What folding JSON values over time needs, per engine. Values are JSON texts, so 1 and "1" stay two. #}

{# One row per leaf of a JSON object, to stand after a table in FROM: nested objects are flattened by dots, lists are
   leaves. Read it as name.path and name.value (JSON text). Anything but an object has no leaves. #}
{% macro each_leaf(column, name) -%}
    {{ return(adapter.dispatch('each_leaf', 'millrace')(column, name)) }}
{%- endmacro %}

{# json_tree walks into lists as well: whatever has a bracket outside of a quoted key is an item of one. #}
{% macro duckdb__each_leaf(column, name) -%}
    cross join lateral (
        select
            regexp_replace(
                substr(fullkey, 3), '"((?:[^"\\]|\\.)*)"', '\1', 'g'
            ) as path,
            cast(value as varchar) as value
        from json_tree({{ column }})
        where
            type <> 'OBJECT'
            and fullkey like '$.%'
            and not contains(
                regexp_replace(fullkey, '"(?:[^"\\]|\\.)*"', '', 'g'), '['
            )
    ) as {{ name }}
{%- endmacro %}

{# Spark has no walk over unknown keys: the object is opened level by level, as deep as the collector lets anything be. #}
{% macro spark__each_leaf(column, name) -%}
    {%- set opened = namespace(sql="transform(map_entries(cast(parse_json(" ~ column ~ ") as map<string, variant>)), e -> named_struct('path', e.key, 'value', to_json(e.value)))") -%}
    {%- for level in range(8) -%}
        {%- set opened.sql = "flatten(transform(" ~ opened.sql ~ ", p -> case when p.value like '{%' then transform(map_entries(cast(parse_json(p.value) as map<string, variant>)), e -> named_struct('path', p.path || '.' || e.key, 'value', to_json(e.value))) else array(p) end))" -%}
    {%- endfor -%}
    lateral view explode({{ opened.sql }}) {{ name }} as {{ name }}
{%- endmacro %}

{# The items of a JSON list, each as JSON text, as a list. #}
{% macro json_elements(text) -%}
    {{ return(adapter.dispatch('json_elements', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__json_elements(text) -%}
    cast(json_extract({{ text }}, '$[*]') as varchar[])
{%- endmacro %}

{% macro spark__json_elements(text) -%}
    transform(cast(parse_json({{ text }}) as array<variant>), v -> to_json(v))
{%- endmacro %}

{# The list with only the first of equal items. #}
{% macro unique_items(list) -%}
    {{ return(adapter.dispatch('unique_items', 'millrace')(list)) }}
{%- endmacro %}

{% macro duckdb__unique_items(list) -%}
    list_transform(
        list_filter(
            range(1, len({{ list }}) + 1),
            lambda place: list_position({{ list }}, ({{ list }})[place]) = place
        ),
        lambda place: ({{ list }})[place]
    )
{%- endmacro %}

{% macro spark__unique_items(list) -%}
    array_distinct({{ list }})
{%- endmacro %}

{# A list of JSON texts as the text of one JSON list. #}
{% macro json_list_of(list) -%}
    {{ return(adapter.dispatch('json_list_of', 'millrace')(list)) }}
{%- endmacro %}

{% macro duckdb__json_list_of(list) -%}
    '[' || array_to_string({{ list }}, ',') || ']'
{%- endmacro %}

{% macro spark__json_list_of(list) -%}
    '[' || array_join({{ list }}, ',') || ']'
{%- endmacro %}

{# A list of one item. #}
{% macro list_of_one(item) -%}
    {{ return(adapter.dispatch('list_of_one', 'millrace')(item)) }}
{%- endmacro %}

{% macro duckdb__list_of_one(item) -%}
    list_value({{ item }})
{%- endmacro %}

{% macro spark__list_of_one(item) -%}
    array({{ item }})
{%- endmacro %}
