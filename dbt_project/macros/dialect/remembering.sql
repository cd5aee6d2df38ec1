{#
  What each model of the project keeps about itself, per engine: rows whose first column is model_name. On Spark, where
  two writers of one Parquet table lose each other's files, each model has a table of its own for it.
#}

{% macro create_table_of_models(relation, columns) -%}
    {%- do adapter.dispatch('create_table_of_models', 'millrace')(relation, columns) -%}
{%- endmacro %}

{% macro duckdb__create_table_of_models(relation, columns) -%}
    {%- do run_query('create schema if not exists ' ~ relation.without_identifier()) -%}
    {%- do run_query('create table if not exists ' ~ relation ~ ' (' ~ columns ~ ')') -%}
    {%- do adapter.cache_added(relation.incorporate(type='table')) -%}
{%- endmacro %}

{% macro spark__create_table_of_models(relation, columns) -%}
    {%- do run_statement('create schema if not exists ' ~ relation.without_identifier()) -%}
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

{# A kill in between leaves none, so the model is built anew. #}
{% macro spark__replace_rows_of_model(relation, rows) -%}
    {%- set own = table_of_model(relation, model.name) -%}
    {%- if adapter.get_relation(own.database, own.schema, own.identifier) is none -%}
        {%- do run_statement('create table ' ~ own ~ ' ' ~ file_format_clause() ~ ' as ' ~ rows | join(' union all ')) -%}
        {%- do adapter.cache_added(own) -%}
    {%- else -%}
        {%- do run_statement('insert overwrite table ' ~ own ~ ' ' ~ rows | join(' union all ')) -%}
    {%- endif -%}
{%- endmacro %}

{# What stands after FROM to read the rows of a model; none where nothing was ever kept. #}
{% macro rows_of_model(relation, model_name) -%}
    {{ return(adapter.dispatch('rows_of_model', 'millrace')(relation, model_name)) }}
{%- endmacro %}

{% macro duckdb__rows_of_model(relation, model_name) -%}
    {%- if adapter.get_relation(relation.database, relation.schema, relation.identifier) is not none -%}
        {{ return('(select * from ' ~ relation ~ " where model_name = '" ~ model_name ~ "') as kept") }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{% macro spark__rows_of_model(relation, model_name) -%}
    {%- set own = table_of_model(relation, model_name) -%}
    {{ return(adapter.get_relation(own.database, own.schema, own.identifier)) }}
{%- endmacro %}

{% macro table_of_model(relation, model_name) -%}
    {{ return(relation.incorporate(path={'identifier': relation.identifier ~ '__' ~ model_name}, type='table')) }}
{%- endmacro %}
