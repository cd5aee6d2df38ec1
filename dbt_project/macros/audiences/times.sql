{# The first anniversary of a date that is not before a day, one year after the date at the earliest. #}
{% macro next_anniversary(date, day) -%}
    {%- set of, since = 'cast(' ~ date ~ ' as date)', 'cast(' ~ day ~ ' as date)' -%}
    {%- set years -%}
        greatest(
            1,
            extract(year from {{ since }}) - extract(year from {{ of }})
            + case when {{ month_and_day(of) }} < {{ month_and_day(since) }} then 1 else 0 end
        )
    {%- endset -%}
    {{ years_after(of, years) }}
{%- endmacro %}

{# 29 February is 229, right after the last day of February in any year. #}
{% macro month_and_day(date) -%}
    100 * extract(month from {{ date }}) + extract(day from {{ date }})
{%- endmacro %}

{# The moment that something sent names: a text in ISO 8601, or a number of seconds or milliseconds since 1970.
   A number below 100,000,000 (March 1973 in seconds) is no moment; from 100,000,000,000 on it is milliseconds. #}
{% macro sent_moment(text) -%}
    {%- set number -%} try_cast({{ text }} as decimal(20, 6)) {%- endset -%}
    {%- set micros -%}
        cast(case
            when {{ number }} >= 100000000000 then {{ number }} * 1000
            when {{ number }} >= 100000000 then {{ number }} * 1000000
        end as bigint)
    {%- endset -%}
    coalesce({{ moment(text) }}, {{ moment_of_micros(micros) }})
{%- endmacro %}
