{#
  A quotient of amounts (of at most four decimals) or counts as decimal(18, digits), halves rounded up; NULL where there
  is nothing to divide by. Through whole numbers, because one engine divides decimals as doubles, and 40.91 / 2 is then
  less than 20.455; wide ones, because a shop's revenue in dong, multiplied, is more than a bigint holds.
#}
{% macro ratio(numerator, denominator, digits) -%}
    {%- set above -%}cast(cast({{ numerator }} as decimal(28, 4)) * {{ 10 ** (4 + digits) }} as decimal(38, 0)){%- endset -%}
    {%- set below -%}cast(cast(nullif({{ denominator }}, 0) as decimal(28, 4)) * 10000 as decimal(38, 0)){%- endset -%}
    cast(
        floor(cast(2 * {{ above }} + {{ below }} as double) / cast(2 * {{ below }} as double)) / {{ 10 ** digits }}
        as decimal(18, {{ digits }})
    )
{%- endmacro %}
