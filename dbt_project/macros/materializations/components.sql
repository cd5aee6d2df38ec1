{#
  A model materialised as `components` selects edges (node_a, node_b) of bigint and becomes a table
  (node_id, component_id): every node that has an edge, and the smallest node it is connected with, at any distance.
#}
{% materialization components, adapter='duckdb' %}
    {{ return(build_components()) }}
{% endmaterialization %}

{% materialization components, adapter='spark' %}
    {{ return(build_components()) }}
{% endmaterialization %}

{% macro build_components() %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = adapter.get_relation(this.database, this.schema, this.identifier) -%}
    {{ run_hooks(pre_hooks) }}
    {%- do create_scratch('component_edges', 'select * from (' ~ sql ~ ') as edges') -%}
    {%- do contract_components('component_edges', 'component_labels') -%}
    {%- if existing is not none and existing.type != 'table' -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {% call statement('main') -%}
        create or replace table {{ target_relation }} as
        select node_id, component_id from {{ scratch('component_labels') }}
    {%- endcall %}
    {%- do drop_scratch(['component_edges', 'component_labels']) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target_relation]}) }}
{% endmacro %}
