{# Tables in which each model of the project keeps some rows about itself, per engine. Their first column is model_name. #}

{% macro create_table_of_models(relation, columns) -%}
    {%- do adapter.dispatch('create_table_of_models', 'millrace')(relation, columns) -%}
{%- endmacro %}

{% macro duckdb__create_table_of_models(relation, columns) -%}
    {%- do run_query('create schema if not exists ' ~ relation.without_identifier()) -%}
    {%- do run_query('create table if not exists ' ~ relation ~ ' (' ~ columns ~ ')') -%}
{%- endmacro %}

{# Rows are only added on Spark, where two models may end at once and no table can be deleted from: the last ones of a
   model count. What no longer counts is left out when there is much of it. #}
{% macro spark__create_table_of_models(relation, columns) -%}
    {%- do run_statement('create schema if not exists ' ~ relation.without_identifier()) -%}
    {%- do run_statement('create table if not exists ' ~ relation ~ ' (' ~ columns ~ ', place bigint)') -%}
    {%- set held = run_query('select count(*) from ' ~ relation).columns[0].values()[0] | int -%}
    {%- if held > 2000 -%}
        {%- set kept = relation.incorporate(path={'identifier': relation.identifier ~ '__kept'}) -%}
        {%- do run_statement('drop table if exists ' ~ kept) -%}
        {%- do run_statement('create table ' ~ kept ~ ' as select * from ' ~ rows_of_models(relation)) -%}
        {%- do run_statement('insert overwrite table ' ~ relation ~ ' select * from ' ~ kept) -%}
        {%- do run_statement('drop table ' ~ kept) -%}
    {%- endif -%}
{%- endmacro %}

{# The rows of this model anew: a select for each. #}
{% macro replace_rows_of_model(relation, rows) -%}
    {%- do adapter.dispatch('replace_rows_of_model', 'millrace')(relation, rows) -%}
{%- endmacro %}

{% macro duckdb__replace_rows_of_model(relation, rows) -%}
    {%- do run_query("delete from " ~ relation ~ " where model_name = '" ~ model.name ~ "'") -%}
    {%- for row in rows -%}
        {%- do run_query('insert into ' ~ relation ~ ' ' ~ row) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro spark__replace_rows_of_model(relation, rows) -%}
    {%- do run_statement(
        'insert into ' ~ relation ~ ' select added.*, last.place from (' ~ rows | join(' union all ') ~ ') as added'
        ~ ' cross join (select coalesce(max(place), 0) + 1 as place from ' ~ relation ~ " where model_name = '" ~ model.name ~ "') as last"
    ) -%}
{%- endmacro %}

{# What stands after FROM to read such a table. #}
{% macro rows_of_models(relation) -%}
    {{ return(adapter.dispatch('rows_of_models', 'millrace')(relation)) }}
{%- endmacro %}

{% macro duckdb__rows_of_models(relation) -%}
    {{ return(relation | string) }}
{%- endmacro %}

{% macro spark__rows_of_models(relation) -%}
    (
        select each.*
        from {{ relation }} as each
        inner join (select model_name, max(place) as place from {{ relation }} group by model_name) as latest
            on each.model_name = latest.model_name and each.place = latest.place
    ) as kept
{%- endmacro %}
