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
    {{ json_elements("get_json_object(" ~ column ~ ", '" ~ path ~ "')") }}
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
    try_element_at(from_json({{ column }}, 'map<string,string>'), {{ key }})
{%- endmacro %}

{#
  Spark reads an object of unknown keys as a map of texts, in which "1" and 1 are the same. So before, every string value
  is given a mark at both ends (U+FDD1), and escapes are kept from being read: \" is written as U+FDD2, \\ as U+FDD3, the
  backslash of any other as U+FDD0. Unicode leaves these to programs; no text holds them. Only for JSON as it is landed,
  without spaces.
#}
{% macro marked_json(text) -%}
    {%- set escapes = "regexp_replace(" ~ text ~ ", '\\\\\\\\(.)', '\\uFDD0$1')" -%}
    {%- set values = "regexp_replace(" ~ escapes ~ ", '\"((?:[^\"\\uFDD0]|\\uFDD0.)*)\"', '\"\\uFDD1$1\\uFDD1\"')" -%}
    {%- set keys = "regexp_replace(" ~ values ~ ", '\"\\uFDD1([^\\uFDD1]*)\\uFDD1\":', '\"$1\":')" -%}
    replace(replace({{ keys }}, '\uFDD0"', '\uFDD2'), '\uFDD0\\', '\uFDD3')
{%- endmacro %}

{# What marked_json made of one value, as the JSON text it was. #}
{% macro unmarked_json(value) -%}
    case
        when {{ value }} is null then 'null'
        when {{ value }} like '[%' or {{ value }} like '{' || '%'
            then {{ read_escapes("replace(" ~ value ~ ", '\\uFDD1', '')") }}
        else {{ read_escapes("replace(" ~ value ~ ", '\\uFDD1', '\"')") }}
    end
{%- endmacro %}

{% macro read_escapes(text) -%}
    replace(replace(translate({{ text }}, '\uFDD0', '\\'), '\uFDD2', '\\"'), '\uFDD3', '\\\\')
{%- endmacro %}
