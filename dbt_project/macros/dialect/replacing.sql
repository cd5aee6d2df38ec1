{# Replacing the rows of some keys in a stored table, per engine. #}

{% macro replace_keys(target, rows, columns, touched, key) -%}
    {{ return(adapter.dispatch('replace_keys', 'millrace')(target, rows, columns, touched, key)) }}
{%- endmacro %}

{% macro duckdb__replace_keys(target, rows, columns, touched, key) -%}
    delete from {{ target }} where {{ key }} in (select {{ key }} from {{ touched }});
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ rows }};
{%- endmacro %}

{# Spark runs one statement at a time; its tables must be of a format that knows delete (Iceberg, Delta). #}
{% macro spark__replace_keys(target, rows, columns, touched, key) -%}
    {%- do run_query('delete from ' ~ target ~ ' where ' ~ key ~ ' in (select ' ~ key ~ ' from ' ~ touched ~ ')') -%}
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ rows }}
{%- endmacro %}
