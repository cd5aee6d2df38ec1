{# Tables that live no longer than the run of the model that makes them, per engine. #}

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

{# Makes a scratch table from the query in the call block. #}
{% macro create_scratch(name) -%}
    {%- do adapter.dispatch('create_scratch_as', 'millrace')(name, caller()) -%}
{%- endmacro %}

{% macro duckdb__create_scratch_as(name, sql) -%}
    {%- do run_query('create or replace temp table "' ~ name ~ '" as ' ~ sql) -%}
{%- endmacro %}

{% macro spark__create_scratch_as(name, sql) -%}
    {%- do run_statement('drop table if exists ' ~ scratch(name)) -%}
    {%- do run_statement('create table ' ~ scratch(name) ~ ' ' ~ file_format_clause() ~ ' as ' ~ sql) -%}
{%- endmacro %}

{# Adds the rows of the query in the call block to a scratch table. #}
{% macro append_scratch(name) -%}
    {%- do run_statement('insert into ' ~ scratch(name) ~ ' ' ~ caller()) -%}
{%- endmacro %}

{% macro drop_scratch(names) -%}
    {%- for name in names -%}
        {%- do run_statement('drop table if exists ' ~ scratch(name)) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro count_scratch(name) -%}
    {{ return(run_query('select count(*) from ' ~ scratch(name)).columns[0].values()[0] | int) }}
{%- endmacro %}

{# A statement whose result nobody reads. #}
{% macro run_statement(sql) -%}
    {%- call statement(auto_begin=False) -%}{{ sql }}{%- endcall -%}
{%- endmacro %}
