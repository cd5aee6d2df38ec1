{# Types, per engine. Contracts, seeds and models name them as DuckDB does. #}

{# The engine's own name of a type. #}
{% macro column_type(data_type) -%}
    {{ return(adapter.dispatch('column_type', 'millrace')(data_type)) }}
{%- endmacro %}

{% macro duckdb__column_type(data_type) -%}
    {{ return(data_type) }}
{%- endmacro %}

{% macro spark__column_type(data_type) -%}
    {%- if data_type.endswith('[]') -%}
        {{ return('array<' ~ spark__column_type(data_type[:-2]) ~ '>') }}
    {%- elif data_type.startswith('struct(') -%}
        {%- set fields = [] -%}
        {%- for field in data_type[7:-1].split(', ') -%}
            {%- do fields.append(field.split(' ')[0] ~ ':' ~ spark__column_type(field.split(' ')[1])) -%}
        {%- endfor -%}
        {{ return('struct<' ~ fields | join(',') ~ '>') }}
    {%- endif -%}
    {{ return({
        'varchar': 'string', 'json': 'string', 'uuid': 'string', 'integer': 'int', 'timestamp': 'timestamp_ntz'
    }.get(data_type, data_type)) }}
{%- endmacro %}

{# A text written as a literal. #}
{% macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__text_literal(text) -%}
    {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{%- endmacro %}

{% macro spark__text_literal(text) -%}
    {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "\\'") ~ "'") }}
{%- endmacro %}

{# What dbt asks a contract's types of; its own answer would not know them on Spark. #}
{% macro spark__get_empty_schema_sql(columns) -%}
    select
    {%- for column in columns.values() %}
        cast(null as {{ column_type(column['data_type']) }}) as {{ column['name'] }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# What dbt-spark does about constraints after a table is made. Files hold none; the data tests ask the same. #}
{% macro persist_constraints(relation, model) -%}
{%- endmacro %}
