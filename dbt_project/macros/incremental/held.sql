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
