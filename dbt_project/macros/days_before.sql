{# The date so many days before that of a UTC timestamp. #}
{% macro days_before(moment, days) -%}
    cast({{ dbt.dateadd('day', '-1 * ' ~ days, 'cast(' ~ moment ~ ' as date)') }} as date)
{%- endmacro %}
