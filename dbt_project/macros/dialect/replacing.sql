{# Replacing the rows of some keys in a stored table, per engine. #}

{% macro replace_keys(target, rows, columns, touched, key) -%}
    {{ return(adapter.dispatch('replace_keys', 'millrace')(target, rows, columns, touched, key)) }}
{%- endmacro %}

{% macro duckdb__replace_keys(target, rows, columns, touched, key) -%}
    delete from {{ target }} where {{ key }} in (select {{ key }} from {{ touched }});
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ rows }};
{%- endmacro %}

{#
  Parquet knows no delete, and no statement may overwrite a table that it reads: what stays and what comes are put
  together beside the table, which is then overwritten. A table beside another is there only when it is whole, and goes
  last, so after a kill it says what the other was about to become.
#}
{% macro spark__replace_keys(target, rows, columns, touched, key) -%}
    {%- set keys = [key] if key is string else key -%}
    {%- call create_scratch('next') -%}
        select {% for column in columns.split(', ') %}held.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
        from {{ target }} as held
        left join (select distinct {{ keys | join(', ') }} from {{ touched }}) as touched
            on {% for each in keys %}held.{{ each }} = touched.{{ each }}{{ ' and ' if not loop.last }}{% endfor %}
        where touched.{{ keys[0] }} is null
        union all
        select {{ columns }} from {{ rows }}
    {%- endcall -%}
    {%- do run_statement('insert overwrite table ' ~ target ~ ' select ' ~ columns ~ ' from ' ~ scratch('next')) -%}
    drop table if exists {{ scratch('next') }}
{%- endmacro %}

{# Before a run: tables that a killed one was replacing become what it had put beside them. #}
{% macro finish_replacing() -%}
    {%- if execute -%}
        {%- do adapter.dispatch('finish_replacing', 'millrace')() -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__finish_replacing() -%}
{%- endmacro %}

{% macro spark__finish_replacing() -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- set next = adapter.get_relation(node.database, node.schema, node.alias ~ '__next') -%}
        {%- if next is not none -%}
            {%- set torn = next.incorporate(path={'identifier': node.alias}) -%}
            {%- do run_statement('drop table if exists ' ~ torn) -%}
            {%- do run_statement('create table ' ~ torn ~ ' using ' ~ node.config.file_format ~ ' as select * from ' ~ next) -%}
            {%- do adapter.cache_added(torn) -%}
            {%- do adapter.drop_relation(next) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{# dbt-spark asks these two about an incremental model; it knows the strategies of DuckDB's adapter by no name. #}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy not in ('append', 'delete+insert', 'replace_keys') -%}
        {{ exceptions.raise_compiler_error(model.name ~ ' is incremental by ' ~ raw_strategy ~ ', which is not said for Spark.') }}
    {%- endif -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | join(', ') -%}
    {%- if strategy == 'append' -%}
        {{ return('insert into ' ~ target ~ ' (' ~ columns ~ ') select ' ~ columns ~ ' from ' ~ source) }}
    {%- endif -%}
    {%- set touched = ref(config.require('meta')['touched']) if strategy == 'replace_keys' else source -%}
    {{ return(replace_keys(target, source, columns, touched, unique_key)) }}
{%- endmacro %}
