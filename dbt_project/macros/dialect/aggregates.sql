{# Aggregates, per engine. #}

{# The value of the row that is smallest by a list of columns; name enough of them for a total order. #}
{% macro min_by(value, order_columns) -%}
    {{ return(adapter.dispatch('min_by', 'millrace')(value, order_columns)) }}
{%- endmacro %}

{% macro duckdb__min_by(value, order_columns) -%}
    min_by({{ value }}, row({{ order_columns | join(', ') }}))
{%- endmacro %}

{% macro spark__min_by(value, order_columns) -%}
    min_by({{ value }}, struct({{ order_columns | join(', ') }}))
{%- endmacro %}

{# The value of the row that is largest by a list of columns. #}
{% macro max_by(value, order_columns) -%}
    {{ return(adapter.dispatch('max_by', 'millrace')(value, order_columns)) }}
{%- endmacro %}

{% macro duckdb__max_by(value, order_columns) -%}
    max_by({{ value }}, row({{ order_columns | join(', ') }}))
{%- endmacro %}

{% macro spark__max_by(value, order_columns) -%}
    max_by({{ value }}, struct({{ order_columns | join(', ') }}))
{%- endmacro %}
