{# The date so many days before that of a UTC timestamp. #}
{% macro days_before(moment, days) -%}
    {{ days_after(moment, '-1 * (' ~ days ~ ')') }}
{%- endmacro %}
