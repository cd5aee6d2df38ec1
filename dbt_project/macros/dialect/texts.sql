{# Text, per engine. #}

{# Unicode normal form C. Spark has no such function: there the text is taken as the door landed it. #}
{% macro nfc(text) -%}
    {{ return(adapter.dispatch('nfc', 'millrace')(text)) }}
{%- endmacro %}

{% macro duckdb__nfc(text) -%}
    nfc_normalize({{ text }})
{%- endmacro %}

{% macro spark__nfc(text) -%}
    {{ text }}
{%- endmacro %}

{# The decoded value of a query parameter of a URL; NULL when absent. The name is a plain word. #}
{% macro url_parameter(url, name) -%}
    {{ return(adapter.dispatch('url_parameter', 'millrace')(url, name)) }}
{%- endmacro %}

{% macro duckdb__url_parameter(url, name) -%}
    nullif(url_decode(replace(regexp_extract({{ url }}, '[?&]{{ name }}=([^&#]*)', 1), '+', ' ')), '')
{%- endmacro %}

{% macro spark__url_parameter(url, name) -%}
    {%- set given = "regexp_extract(" ~ url ~ ", '[?&]" ~ name ~ "=([^&#]*)', 1)" -%}
    nullif(coalesce(try_url_decode({{ given }}), replace({{ given }}, '+', ' ')), '')
{%- endmacro %}

{# Whether a regular expression, which may itself be an expression, is found in a text. #}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'millrace')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, {{ pattern }})
{%- endmacro %}

{% macro spark__matches(text, pattern) -%}
    ({{ text }} rlike {{ pattern }})
{%- endmacro %}
