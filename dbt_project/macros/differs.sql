{# Whether two values differ as texts; two NULLs do not. #}
{% macro differs(one, other) -%}
    coalesce(
        cast({{ one }} as {{ dbt.type_string() }}) <> cast({{ other }} as {{ dbt.type_string() }}),
        ({{ one }} is null) <> ({{ other }} is null)
    )
{%- endmacro %}
