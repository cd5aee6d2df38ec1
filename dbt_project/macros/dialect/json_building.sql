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
