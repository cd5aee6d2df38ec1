{#
  The stored rows of a model that comes later in the graph, as they were before this refresh: for a model that compares
  what is held with what is now true, before what is held is replaced. No ref, because that would be a circle. Without
  stored rows, what `empty` selects.
#}
{% macro held(model_name, empty) -%}
    {%- set stored = stored_relation(model_name) if execute -%}
    {#- What other rules made may have other columns, and is about to be built anew in full. -#}
    {%- if stored and node_named(model_name).config.materialized == 'incremental' and marks_of(model_name) | length == 0 -%}
        {%- set stored = none -%}
    {%- endif -%}
    {{ return('select * from ' ~ stored if stored else empty) }}
{%- endmacro %}

{# The same for some columns, given with their types: no rows when nothing is stored, or not all of the columns. #}
{% macro held_columns(model_name, columns) -%}
    {%- set stored = stored_relation(model_name) if execute -%}
    {%- set names = adapter.get_columns_in_relation(stored) | map(attribute='name') | list if stored else [] -%}
    {%- if columns | reject('in', names) | list -%}
        select {% for name, type in columns.items() %}cast(null as {{ column_type(type) }}) as {{ name }}{{ ', ' if not loop.last }}{% endfor %} where 1 = 0
    {%- else -%}
        select {{ columns | join(', ') }} from {{ stored }}
    {%- endif -%}
{%- endmacro %}

{# Whether a model has stored rows at all. #}
{% macro is_stored(model_name) -%}
    {{ return(execute and stored_relation(model_name) is not none) }}
{%- endmacro %}
