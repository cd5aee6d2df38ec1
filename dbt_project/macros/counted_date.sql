{#
  The day that what a source brought counts for: the day of arrival, but for its past, when its first day brought mostly
  that: then each for the day on which it happened. `late` and `all` are counts of rows of a table per day.
#}
{% macro counted_date(late, all) -%}
    case
        when
            received_date = min(received_date) over (partition by source_id)
            and 2 * sum({{ late }}) over (partition by source_id, received_date)
            > sum({{ all }}) over (partition by source_id, received_date)
            then happened_date
        else received_date
    end
{%- endmacro %}
