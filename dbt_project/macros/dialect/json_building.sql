{# Building JSON, per engine. #}

{# A JSON object with these keys in this order, NULLs kept; the values are expressions of type text or bigint. #}
{% macro json_object_of(fields) -%}
    {{ return(adapter.dispatch('json_object_of', 'millrace')(fields)) }}
{%- endmacro %}

{% macro duckdb__json_object_of(fields) -%}
    json_object({% for key, value in fields.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro spark__json_object_of(fields) -%}
    {%- set texts = {} -%}
    {%- for key, value in fields.items() -%}
        {%- do texts.update({key: json_scalar(value)}) -%}
    {%- endfor -%}
    {{ json_object_of_texts(texts) }}
{%- endmacro %}

{% macro json_object_of_texts(fields) -%}
    '{'
    {%- for key, text in fields.items() %} || '"{{ key }}":' || {{ text }}{{ " || ','" if not loop.last }}{% endfor %} || '}'
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

{# As JSON text, the column of a public model that an expression names; NULL when it has no such column. `alias` is the
   name that the model has in FROM. #}
{% macro column_as_json(alias, model_name, column) -%}
    {{ return(adapter.dispatch('column_as_json', 'millrace')(alias, model_name, column)) }}
{%- endmacro %}

{% macro duckdb__column_as_json(alias, model_name, column) -%}
    {{ json_member_value('to_json(' ~ alias ~ ')', column) }}
{%- endmacro %}

{# Spark writes times and decimals of a row in its own way, so it is told each column. #}
{% macro spark__column_as_json(alias, model_name, column) -%}
    case {{ column }}
    {%- for each in (node_named(model_name).columns.values() if execute else [{'name': 'none', 'data_type': 'varchar'}]) -%}
        {%- set text = 'cast(' ~ alias ~ '.' ~ each.name ~ ' as string)' %}
        when '{{ each.name }}' then
        {%- if each.data_type in ('varchar', 'date', 'timestamp', 'uuid') %} {{ json_scalar(text) }}
        {%- else %} coalesce({{ text }}, 'null')
        {%- endif -%}
    {%- endfor %}
    end
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
