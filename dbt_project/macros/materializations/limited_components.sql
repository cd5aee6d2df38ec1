{#
  A model materialised as `limited_components` selects the parts of an identity graph and becomes who belongs
  together under limits. Ids are bigint; the columns are kind, node_a, node_b, rank_a, rank_b,
  max_per_profile:

    node   node_a counts as one of the type rank_a in a profile, of which there may be max_per_profile (NULL: any number);
           one row per node
    also   node_a stands for several identifiers and counts as one of rank_a, too, which is weaker; one row per node and
           further type
    edge   node_a and node_b, both given as nodes of the ranks rank_a and rank_b, were seen together; repeats do no harm
    never  node_a and node_b must not be together

  The table has node_id, other_id, component_id, demotion, rule_rank:

    demotion NULL      node_id is in component_id
    demotion shared    node_id would have joined what must stay apart: it is in no component and carries no edge
    demotion edge      the edge node_id – other_id within one type would have
    demotion separate  node_id keeps away from the component its edges lead to, where other_id is

  rule_rank is the type whose limit was the reason; NULL when it was a never row.
#}
{% materialization limited_components, adapter='duckdb' %}
    {{ return(build_limited_components()) }}
{% endmaterialization %}

{% materialization limited_components, adapter='spark' %}
    {{ return(build_limited_components()) }}
{% endmaterialization %}

{% macro build_limited_components() %}
    {{ run_hooks(pre_hooks) }}
    {%- do read_graph(sql) -%}
    {%- do solve_by_rank() -%}
    {%- set built = replace_table(solved_by_rank()) -%}
    {%- do drop_scratch(['labels', 'merges', 'demotions', 'node_types', 'nodes', 'edges', 'nevers']) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [built]}) }}
{% endmacro %}

{% macro solved_by_rank() %}
        select
            labels.node_id,
            cast(null as bigint) as other_id,
            coalesce(merges.root_id, labels.profile_id) as component_id,
            cast(null as varchar(20)) as demotion,
            cast(null as bigint) as rule_rank
        from {{ scratch('labels') }} as labels
        left join {{ scratch('merges') }} as merges on labels.profile_id = merges.profile_id
        union all
        select
            node_id,
            other_id,
            cast(null as bigint) as component_id,
            demotion,
            rule_rank
        from {{ scratch('demotions') }}
{% endmacro %}
