{#
  Seeds on Spark. dbt-spark's own macros write texts without escaping them, NULL as the word None, and know no type
  varchar. For DuckDB nothing has to be said.
#}

{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set statement_sql -%}
        create table {{ this.render() }} (
            {%- for column in agate_table.column_names -%}
                {{ column }} {{ seed_column_type(model, agate_table, column, loop.index0) }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        ) {{ file_format_clause() }}
    {%- endset -%}
    {%- call statement('_') -%}{{ statement_sql }}{%- endcall -%}
    {{ return(statement_sql) }}
{%- endmacro %}

{# A column whose meta says so holds the word null, which dbt's reader of CSV takes for nothing. #}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set words = model.config.meta.get('holds_the_word_null', []) -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for column in agate_table.column_names -%}
            {%- set value = 'null' if row[column] is none and column in words else row[column] -%}
            {%- do values.append('null' if value is none else text_literal(value | string)) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set casts = [] -%}
    {%- for column in agate_table.column_names -%}
        {%- do casts.append('cast(' ~ column ~ ' as ' ~ seed_column_type(model, agate_table, column, loop.index0) ~ ')') -%}
    {%- endfor -%}
    {%- set statement_sql = 'insert into ' ~ this.render() ~ ' select ' ~ casts | join(', ') ~ ' from values ' ~ rows | join(', ')
        ~ ' as texts (' ~ agate_table.column_names | join(', ') ~ ')' -%}
    {%- if rows -%}
        {%- do adapter.add_query(statement_sql, abridge_sql_log=True) -%}
    {%- endif -%}
    {{ return(statement_sql) }}
{%- endmacro %}

{% macro seed_column_type(model, agate_table, column, place) -%}
    {%- set named = model.config.get('column_types', {}).get(column) -%}
    {{ return(column_type(named) if named else adapter.convert_type(agate_table, place)) }}
{%- endmacro %}
