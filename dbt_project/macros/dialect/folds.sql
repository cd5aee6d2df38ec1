{# What folding JSON values over time needs, per engine. Values are JSON texts, so 1 and "1" stay two. #}

{# One row per leaf of a JSON object, to stand last in FROM: nested objects are flattened by dots, lists are
   leaves. Read it as name.path and name.value (JSON text). Anything but an object has no leaves. Sail cannot ask
   for it in the WHERE beside. #}
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

{# Spark has no walk over unknown keys: the object is opened level by level. It has no more levels than braces, and no
   more than the door lets in. #}
{% macro spark__each_leaf(column, name) -%}
    lateral view explode(transform(
        aggregate(
            slice(
                array({{ range(1, 16) | join(', ') }}),
                1,
                greatest(0, length({{ column }}) - length(replace({{ column }}, '{', '')) - 1)
            ),
            {{ json_entries(marked_json(column)) }},
            (leaves, level) -> flatten(transform(
                leaves,
                leaf -> case
                    when leaf.value like '{' || '%'
                        then transform(
                            {{ json_entries('leaf.value') }},
                            inner_leaf -> named_struct('path', leaf.path || '.' || inner_leaf.path, 'value', inner_leaf.value)
                        )
                    else array(leaf)
                end
            ))
        ),
        leaf -> named_struct('path', {{ read_escapes('leaf.path') }}, 'value', {{ unmarked_json('leaf.value') }})
    )) {{ name }} as {{ name }}
{%- endmacro %}

{% macro json_entries(text) -%}
    transform(
        map_entries(from_json({{ text }}, 'map<string,string>')),
        entry -> named_struct('path', entry.key, 'value', entry.value)
    )
{%- endmacro %}

{# The items of a JSON list, each as JSON text, as a list. #}
{% macro json_elements(text) -%}
    {{ return(adapter.dispatch('json_elements', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__json_elements(text) -%}
    cast(json_extract({{ text }}, '$[*]') as varchar[])
{%- endmacro %}

{% macro spark__json_elements(text) -%}
    case
        when {{ text }} like '[%'
            then transform(
                from_json({{ marked_json(text) }}, 'array<string>'), item -> {{ unmarked_json('item') }}
            )
    end
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
