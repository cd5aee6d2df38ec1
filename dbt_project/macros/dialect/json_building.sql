{# Building JSON, per engine. #}

{# A JSON object with these keys in this order, NULLs kept; the values are expressions of type text or bigint. #}
{% macro json_object_of(fields) -%}
    {{ return(adapter.dispatch('json_object_of', 'millrace')(fields)) }}
{%- endmacro %}

{% macro duckdb__json_object_of(fields) -%}
    json_object({% for key, value in fields.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro spark__json_object_of(fields) -%}
    '{'
    {%- for key, value in fields.items() %} || '"{{ key }}":' || {{ json_scalar(value) }}{{ " || ','" if not loop.last }}{% endfor %} || '}'
{%- endmacro %}

{# A text or a number as JSON text. #}
{% macro json_scalar(value) -%}
    {{ return(adapter.dispatch('json_scalar', 'millrace')(value)) }}
{%- endmacro %}

{% macro duckdb__json_scalar(value) -%}
    coalesce(cast(to_json({{ value }}) as varchar), 'null')
{%- endmacro %}

{# Inside a list, because Spark makes JSON of lists and objects only. #}
{% macro spark__json_scalar(value) -%}
    regexp_replace(to_json(array({{ value }})), '^.|.$', '')
{%- endmacro %}

{# A row as a JSON object, column by column; `alias` is the name that the row's table has in FROM. #}
{% macro row_as_json(alias) -%}
    {{ return(adapter.dispatch('row_as_json', 'millrace')(alias)) }}
{%- endmacro %}

{% macro duckdb__row_as_json(alias) -%}
    to_json({{ alias }})
{%- endmacro %}

{% macro spark__row_as_json(alias) -%}
    to_json(struct({{ alias }}.*), map('ignoreNullFields', 'false'))
{%- endmacro %}

{# The value of a key as JSON text, so that numbers stay numbers; NULL when the object has no such key. #}
{% macro json_member_value(column, key) -%}
    {{ return(adapter.dispatch('json_member_value', 'millrace')(column, key)) }}
{%- endmacro %}

{% macro duckdb__json_member_value(column, key) -%}
    cast(json_extract({{ column }}, '$."' || {{ key }} || '"') as varchar)
{%- endmacro %}

{% macro spark__json_member_value(column, key) -%}
    {%- set members = "from_json(" ~ marked_json(column) ~ ", 'map<string,string>')" -%}
    case
        when map_contains_key({{ members }}, {{ key }})
            then {{ unmarked_json("try_element_at(" ~ members ~ ", " ~ key ~ ")") }}
    end
{%- endmacro %}

{# A JSON object of a list of members, each written as "key":value, in the order of their text. #}
{% macro json_object_of_members(list) -%}
    {{ return(adapter.dispatch('json_object_of_members', 'millrace')(list)) }}
{%- endmacro %}

{% macro duckdb__json_object_of_members(list) -%}
    cast('{' || array_to_string(list_sort({{ list }}), ',') || '}' as json)
{%- endmacro %}

{% macro spark__json_object_of_members(list) -%}
    '{' || array_join(array_sort({{ list }}), ',') || '}'
{%- endmacro %}
