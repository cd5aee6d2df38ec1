{# Sums that traits are made of, as whole numbers; zero where there is nothing to add. #}

{% macro total(amount) -%}
    cast(coalesce(sum({{ amount }}), 0) as bigint)
{%- endmacro %}

{# Of what happened in the given days before as_of. #}
{% macro total_within(amount, happened_at, days) -%}
    {{ total("case when " ~ happened_at ~ " > " ~ as_of() ~ " - interval " ~ days ~ " day then " ~ amount ~ " end") }}
{%- endmacro %}
