{# The logical time of the refresh as a UTC timestamp. Models never call now().
   It comes as the var as_of or as MILLRACE_AS_OF. Dagster uses the latter: dbt parses the whole project anew whenever
   a var has changed, and this one changes with every run. #}
{% macro as_of() -%}
    {%- set moment = (var('as_of', none) or env_var('MILLRACE_AS_OF', '')) if execute else '1970-01-01T00:00:00' -%}
    {%- if not moment -%}
        {{ exceptions.raise_compiler_error("Millrace needs the logical time of the refresh: pass --vars '{as_of: 2026-01-31T00:00:00}' (Dagster passes it by itself).") }}
    {%- endif -%}
    cast('{{ moment }}' as timestamp)
{%- endmacro %}
