{# Time, per engine. #}

{# Microseconds since 1970 of a UTC timestamp, as a whole number. #}
{% macro epoch_micros(timestamp) -%}
    {{ return(adapter.dispatch('epoch_micros', 'millrace')(timestamp)) }}
{%- endmacro %}

{% macro duckdb__epoch_micros(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}

{% macro spark__epoch_micros(timestamp) -%}
    unix_micros(cast({{ timestamp }} as timestamp))
{%- endmacro %}
