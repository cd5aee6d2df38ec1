{# The key of a list of identifiers as one source gives it. Records with equal lists share what is known of them. #}
{% macro set_id(source_id, identifiers) -%}
    {{ hash_bigint(source_id ~ " || ':' || " ~ identifiers_text(identifiers)) }}
{%- endmacro %}
