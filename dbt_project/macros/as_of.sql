{# The logical time of the refresh as a UTC timestamp. Models never call now(). #}
{% macro as_of() -%}
    {%- if execute and not var('as_of', none) -%}
        {{ exceptions.raise_compiler_error("Millrace needs the logical time of the refresh: pass --vars '{as_of: 2026-01-31T00:00:00}' (Dagster passes it by itself).") }}
    {%- endif -%}
    cast('{{ var("as_of", none) or "1970-01-01T00:00:00" }}' as timestamp)
{%- endmacro %}
