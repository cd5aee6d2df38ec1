{# The id of the profile whose representative is this identifier: known from data alone. #}
{% macro profile_id(identifier_type, identifier_value) -%}
    'p_' || substring({{ sha256_hex(identifier_type ~ " || ':' || " ~ identifier_value) }}, 1, 32)
{%- endmacro %}
