{# Windows, per engine. #}

{# The latest value that is known, over a window. #}
{% macro last_known(value) -%}
    {{ return(adapter.dispatch('last_known', 'millrace')(value)) }}
{%- endmacro %}

{% macro duckdb__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}

{# The earliest value that is known, over a window. #}
{% macro first_known(value) -%}
    {{ return(adapter.dispatch('first_known', 'millrace')(value)) }}
{%- endmacro %}

{% macro duckdb__first_known(value) -%}
    first_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__first_known(value) -%}
    first_value({{ value }}, true)
{%- endmacro %}
