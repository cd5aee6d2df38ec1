{# JSON, per engine. A body for every engine and no default__: an unknown engine fails by name. #}

{# The scalar at a path such as '$.page.url' as text; NULL when absent. #}
{% macro json_text(column, path) -%}
    {{ return(adapter.dispatch('json_text', 'millrace')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_text(column, path) -%}
    json_extract_string({{ column }}, '{{ path }}')
{%- endmacro %}

{% macro spark__json_text(column, path) -%}
    get_json_object({{ column }}, '{{ path }}')
{%- endmacro %}

{# Several paths in one pass over the text, as an array of text; take items with nth(). #}
{% macro json_texts(column, paths) -%}
    {{ return(adapter.dispatch('json_texts', 'millrace')(column, paths)) }}
{%- endmacro %}

{% macro duckdb__json_texts(column, paths) -%}
    json_extract_string({{ column }}, ['{{ paths | join("', '") }}'])
{%- endmacro %}

{% macro spark__json_texts(column, paths) -%}
    array({% for path in paths %}get_json_object({{ column }}, '{{ path }}'){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# The array at a path as a list of JSON texts; NULL when it is not an array. #}
{% macro json_items(column, path) -%}
    {{ return(adapter.dispatch('json_items', 'millrace')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_items(column, path) -%}
    cast(json_extract({{ column }}, '{{ path }}[*]') as varchar[])
{%- endmacro %}

{% macro spark__json_items(column, path) -%}
    from_json(get_json_object({{ column }}, '{{ path }}'), 'array<string>')
{%- endmacro %}

{# The scalar at a path that is itself an expression. Dearer than json_text: the path is read per row. #}
{% macro json_text_at(column, path) -%}
    {{ return(adapter.dispatch('json_text_at', 'millrace')(column, path)) }}
{%- endmacro %}

{% macro duckdb__json_text_at(column, path) -%}
    json_extract_string({{ column }}, {{ path }})
{%- endmacro %}

{% macro spark__json_text_at(column, path) -%}
    get_json_object({{ column }}, {{ path }})
{%- endmacro %}

{# The keys of an object as a list; NULL for what is none. #}
{% macro json_keys(column) -%}
    {{ return(adapter.dispatch('json_keys', 'millrace')(column)) }}
{%- endmacro %}

{% macro duckdb__json_keys(column) -%}
    json_keys({{ column }})
{%- endmacro %}

{% macro spark__json_keys(column) -%}
    json_object_keys({{ column }})
{%- endmacro %}

{# The value of a key as text, whatever characters are in the key. #}
{% macro json_member(column, key) -%}
    {{ return(adapter.dispatch('json_member', 'millrace')(column, key)) }}
{%- endmacro %}

{% macro duckdb__json_member(column, key) -%}
    json_extract_string({{ column }}, '$."' || replace({{ key }}, '"', '\"') || '"')
{%- endmacro %}

{% macro spark__json_member(column, key) -%}
    get_json_object({{ column }}, '$[\'' || {{ key }} || '\']')
{%- endmacro %}
