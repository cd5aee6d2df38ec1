{# Lists of identifiers (struct of type and value), per engine. #}

{# The list as text, always the same text for the same list. #}
{% macro identifiers_text(list) -%}
    {{ return(adapter.dispatch('identifiers_text', 'millrace')(list)) }}
{%- endmacro %}

{% macro duckdb__identifiers_text(list) -%}
    cast(to_json({{ list }}) as varchar)
{%- endmacro %}

{% macro spark__identifiers_text(list) -%}
    to_json({{ list }})
{%- endmacro %}

{# The first value of one type; NULL when there is none. #}
{% macro identifier_of_type(list, type) -%}
    {{ return(adapter.dispatch('identifier_of_type', 'millrace')(list, type)) }}
{%- endmacro %}

{% macro duckdb__identifier_of_type(list, type) -%}
    list_filter({{ list }}, lambda item: item.type = '{{ type }}')[1].value
{%- endmacro %}

{% macro spark__identifier_of_type(list, type) -%}
    try_element_at(filter({{ list }}, item -> item.type = '{{ type }}'), 1).value
{%- endmacro %}
