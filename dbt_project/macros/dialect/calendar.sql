{# The calendar and moments told as numbers, per engine. #}

{# The date so many years after a date; 29 February becomes 28 February where there is none. #}
{% macro years_after(date, years) -%}
    {{ return(adapter.dispatch('years_after', 'millrace')(date, years)) }}
{%- endmacro %}

{% macro duckdb__years_after(date, years) -%}
    cast({{ date }} + to_years(cast({{ years }} as integer)) as date)
{%- endmacro %}

{% macro spark__years_after(date, years) -%}
    add_months({{ date }}, cast(12 * ({{ years }}) as int))
{%- endmacro %}

{# The UTC timestamp so many microseconds after the beginning of 1970. #}
{% macro moment_of_micros(micros) -%}
    {{ return(adapter.dispatch('moment_of_micros', 'millrace')(micros)) }}
{%- endmacro %}

{% macro duckdb__moment_of_micros(micros) -%}
    make_timestamp({{ micros }})
{%- endmacro %}

{% macro spark__moment_of_micros(micros) -%}
    cast(timestamp_micros({{ micros }}) as timestamp_ntz)
{%- endmacro %}
