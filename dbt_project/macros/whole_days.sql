{# Whole days of 24 hours between two UTC timestamps. #}
{% macro whole_days(earlier, later) -%}
    cast(floor(({{ epoch_micros(later) }} - {{ epoch_micros(earlier) }}) / 86400000000) as bigint)
{%- endmacro %}
