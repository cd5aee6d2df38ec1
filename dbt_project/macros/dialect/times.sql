{# Time, per engine. #}

{# Microseconds since 1970 of a UTC timestamp, as a whole number. #}
{% macro epoch_micros(timestamp) -%}
    {{ return(adapter.dispatch('epoch_micros', 'millrace')(timestamp)) }}
{%- endmacro %}

{% macro duckdb__epoch_micros(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}

{% macro spark__epoch_micros(timestamp) -%}
    unix_micros(cast({{ timestamp }} as timestamp_ltz))
{%- endmacro %}

{# The moment that a text names, as a UTC timestamp; NULL when it names none. A text without an offset is UTC. #}
{% macro moment(text) -%}
    {{ return(adapter.dispatch('moment', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__moment(text) -%}
    cast(try_cast({{ text }} as timestamptz) as timestamp)
{%- endmacro %}

{% macro spark__moment(text) -%}
    case
        when {{ text }} rlike '^ *[0-9]+-[0-9]+-[0-9]+' then cast(try_cast({{ text }} as timestamp_ltz) as timestamp_ntz)
    end
{%- endmacro %}

{# The date so many days after a date. #}
{% macro days_after(date, days) -%}
    {{ return(adapter.dispatch('days_after', 'millrace')(date, days)) }}
{%- endmacro %}

{% macro duckdb__days_after(date, days) -%}
    cast({{ date }} as date) + cast({{ days }} as integer)
{%- endmacro %}

{% macro spark__days_after(date, days) -%}
    date_add(cast({{ date }} as date), cast({{ days }} as int))
{%- endmacro %}

{# Days from one date to another. #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'millrace')(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    cast(cast({{ later }} as date) - cast({{ earlier }} as date) as bigint)
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    cast(datediff(cast({{ later }} as date), cast({{ earlier }} as date)) as bigint)
{%- endmacro %}

{# What the clocks show in a time zone at a UTC timestamp; NULL when there is no such zone. Spark has no list of zones:
   there only the form of the name is looked at. #}
{% macro local_time(timestamp, zone) -%}
    {{ return(adapter.dispatch('local_time', 'millrace')(timestamp, zone)) }}
{%- endmacro %}

{% macro duckdb__local_time(timestamp, zone) -%}
    timezone(
        case when {{ zone }} in (select name from pg_timezone_names()) then {{ zone }} end,
        timezone('UTC', {{ timestamp }})
    )
{%- endmacro %}

{% macro spark__local_time(timestamp, zone) -%}
    cast(
        from_utc_timestamp(
            {{ timestamp }}, case when {{ zone }} rlike '^[A-Za-z_]+(/[A-Za-z_+-]+)*$' then {{ zone }} end
        ) as timestamp_ntz
    )
{%- endmacro %}
