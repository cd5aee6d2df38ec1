{# Building JSON, per engine. #}

{# A JSON object with these keys in this order, NULLs kept; the values are expressions of type text or bigint. #}
{% macro json_object_of(fields) -%}
    {{ return(adapter.dispatch('json_object_of', 'millrace')(fields)) }}
{%- endmacro %}

{% macro duckdb__json_object_of(fields) -%}
    json_object({% for key, value in fields.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro spark__json_object_of(fields) -%}
    to_json(named_struct({% for key, value in fields.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}), map('ignoreNullFields', 'false'))
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
    to_json(variant_get(parse_json({{ column }}), '$.' || {{ key }}, 'variant'))
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
