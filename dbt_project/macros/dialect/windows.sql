{# Windows, per engine. #}

{# The latest value that is known, over a window that ends before the current row. #}
{% macro last_known(value) -%}
    {{ return(adapter.dispatch('last_known', 'millrace')(value)) }}
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}
