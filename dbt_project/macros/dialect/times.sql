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

{# The moment that a text names, as a UTC timestamp; NULL when it names none. A text without an offset is UTC. #}
{% macro moment(text) -%}
    {{ return(adapter.dispatch('moment', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__moment(text) -%}
    cast(try_cast({{ text }} as timestamptz) as timestamp)
{%- endmacro %}

{% macro spark__moment(text) -%}
    cast(try_cast({{ text }} as timestamp_ltz) as timestamp_ntz)
{%- endmacro %}
