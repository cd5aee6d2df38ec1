{#
  A quotient of amounts (of at most four decimals) or counts as decimal(18, digits), halves rounded up; NULL where there
  is nothing to divide by. Through whole numbers, because one engine divides decimals as doubles, and 40.91 / 2 is then
  less than 20.455.
#}
{% macro ratio(numerator, denominator, digits) -%}
    {%- set above -%}cast(({{ numerator }}) * {{ 10 ** (4 + digits) }} as bigint){%- endset -%}
    {%- set below -%}cast(nullif({{ denominator }}, 0) * 10000 as bigint){%- endset -%}
    cast(floor((2 * {{ above }} + {{ below }}) / (2 * {{ below }})) / {{ 10 ** digits }} as decimal(18, {{ digits }}))
{%- endmacro %}
