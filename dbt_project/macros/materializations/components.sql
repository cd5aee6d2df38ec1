{#
  A model materialised as `components` selects edges (node_a, node_b) of bigint and becomes a table
  (node_id, component_id): every node that has an edge to another, and the smallest node it is connected with, at any
  distance.
#}
{% materialization components, adapter='duckdb' %}
    {{ return(build_components()) }}
{% endmaterialization %}

{% materialization components, adapter='spark' %}
    {{ return(build_components()) }}
{% endmaterialization %}

{% macro build_components() %}
    {{ run_hooks(pre_hooks) }}
    {%- call create_scratch('component_edges') -%}
        select node_a, node_b from ({{ sql }}) as edges where node_a <> node_b
    {%- endcall -%}
    {%- set state = namespace(built=none) -%}
    {%- call(components) contract_components('component_edges') -%}
        {%- set state.built = replace_table(components) -%}
    {%- endcall -%}
    {%- do drop_scratch(['component_edges']) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [state.built]}) }}
{% endmacro %}

{# This model's table anew; the model's main statement. Returns the relation. #}
{% macro replace_table(query) %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = adapter.get_relation(this.database, this.schema, this.identifier) -%}
    {%- if existing is not none -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {% call statement('main') -%}
        create table {{ target_relation }} as {{ query }}
    {%- endcall %}
    {{ return(target_relation) }}
{% endmacro %}
