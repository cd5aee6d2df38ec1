{# Tables that live as long as one model's run, per engine. #}

{# How a scratch table is called inside the model that made it. #}
{% macro scratch(name) -%}
    {{ return(adapter.dispatch('scratch', 'millrace')(name)) }}
{%- endmacro %}

{% macro duckdb__scratch(name) -%}
    temp."{{ name }}"
{%- endmacro %}

{% macro spark__scratch(name) -%}
    {{ this.schema }}.{{ this.identifier }}__{{ name }}
{%- endmacro %}

{% macro create_scratch(name, sql) -%}
    {{ return(adapter.dispatch('create_scratch', 'millrace')(name, sql)) }}
{%- endmacro %}

{% macro duckdb__create_scratch(name, sql) -%}
    {%- do run_query('create or replace temp table "' ~ name ~ '" as ' ~ sql) -%}
{%- endmacro %}

{% macro spark__create_scratch(name, sql) -%}
    {%- do run_query('create or replace table ' ~ scratch(name) ~ ' as ' ~ sql) -%}
{%- endmacro %}

{% macro drop_scratch(names) -%}
    {%- for name in names -%}
        {%- do run_query('drop table if exists ' ~ scratch(name)) -%}
    {%- endfor -%}
{%- endmacro %}
