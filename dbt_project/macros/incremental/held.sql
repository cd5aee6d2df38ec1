{#
  The stored rows of a model that comes later in the graph, as they were before this refresh: for a model that compares
  what is held with what is now true, before what is held is replaced. No ref, because that would be a circle. Without
  stored rows, what `empty` selects.
#}
{% macro held(model_name, empty) -%}
    {%- set stored = stored_relation(model_name) if execute -%}
    {{ return('select * from ' ~ stored if stored else empty) }}
{%- endmacro %}
