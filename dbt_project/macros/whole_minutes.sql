{# Whole minutes between two UTC timestamps. #}
{% macro whole_minutes(earlier, later) -%}
    cast(floor(({{ epoch_micros(later) }} - {{ epoch_micros(earlier) }}) / 60000000) as bigint)
{%- endmacro %}
