{#
  Profiles under limits, one round per rank of types from the strongest down (docs: the semantics of identity, steps
  2 and 3). The result depends on the set of edges alone.

  In the round of a rank, every node of the rank touches the profiles that its edges to stronger nodes lead to.

  1. Touch: for each node of the rank a profile that it touches and whether it touches several, and the edges within
     the rank (peers).
  2. Separate: a node that touches one profile, in which sits a partner it must never meet, loses those edges.
  3. Group: nodes that touch several profiles, and edges within the rank, are joins; profiles and nodes connected by
     joins are a group. Most nodes join nothing, so only here all the profiles of a node are listed.
  4. Test: a group breaks when it would hold more of a type than the type's limit, or a pair that must never meet.
  5. Settle: the profiles of a whole group become one. All joins of a broken group are demoted: its nodes that touch
     several profiles are shared and get no label, its edges within the rank are dropped. Everything else joins the
     one profile it touches, or starts its own.

  Scratch tables that last over the rounds: labels (node_id, profile_id as of the node's round), merges (profile_id,
  root_id now; few rows, because weak types rarely merge profiles), demotions.
#}
{% macro solve_by_rank() -%}
    {%- call create_scratch('labels') -%}
        select node_id, node_id as profile_id from {{ scratch('nodes') }} where 1 = 0
    {%- endcall -%}
    {%- call create_scratch('merges') -%}
        select node_id as profile_id, node_id as root_id from {{ scratch('nodes') }} where 1 = 0
    {%- endcall -%}
    {%- call create_scratch('demotions') -%}
        select
            node_id,
            node_id as other_id,
            cast(null as varchar(20)) as demotion,
            node_rank as rule_rank
        from {{ scratch('nodes') }}
        where 1 = 0
    {%- endcall -%}
    {%- set has_nevers = count_scratch('nevers') > 0 -%}
    {%- set ranks = run_query('select distinct node_rank from ' ~ scratch('nodes') ~ ' order by node_rank') -%}
    {%- for rank in ranks.columns[0].values() -%}
        {%- do touch_profiles(rank) -%}
        {%- if has_nevers -%}
            {%- do separate_partners() -%}
        {%- endif -%}
        {%- do find_joiners() -%}
        {%- if count_scratch('joiners') > 0 -%}
            {%- do group_joins(rank) -%}
            {%- do test_limits() -%}
            {%- if has_nevers -%}
                {%- do test_nevers() -%}
            {%- endif -%}
            {%- do settle_groups() -%}
        {%- endif -%}
        {%- do settle_others(rank) -%}
        {%- do drop_scratch(['touched', 'peers', 'joiners']) -%}
    {%- endfor -%}
{%- endmacro %}

{#
  The graph as scratch tables: node_types (one row per node and type it counts as), nodes, edges (oriented from strong
  to weak, repeats possible), nevers (both ways).
#}
{% macro read_graph(graph_sql) -%}
    {%- call create_scratch('node_types') -%}
        select node_a as node_id, rank_a as type_rank, max_per_profile
        from ({{ graph_sql }}) as graph
        where kind in ('node', 'also')
    {%- endcall -%}
    {%- call create_scratch('nodes') -%}
        select node_a as node_id, rank_a as node_rank
        from ({{ graph_sql }}) as graph
        where kind = 'node'
    {%- endcall -%}
    {%- call create_scratch('edges') -%}
        select
            case when rank_a <= rank_b then node_a else node_b end as strong_id,
            case when rank_a <= rank_b then node_b else node_a end as weak_id,
            least(rank_a, rank_b) as strong_rank,
            greatest(rank_a, rank_b) as weak_rank
        from ({{ graph_sql }}) as graph
        where kind = 'edge' and node_a <> node_b
    {%- endcall -%}
    {%- call create_scratch('nevers') -%}
        select node_a as node_id, node_b as partner_id
        from ({{ graph_sql }}) as graph
        where kind = 'never' and node_a <> node_b
        union
        select node_b as node_id, node_a as partner_id
        from ({{ graph_sql }}) as graph
        where kind = 'never' and node_a <> node_b
    {%- endcall -%}
{%- endmacro %}

{# Step 1. #}
{% macro touch_profiles(rank) -%}
    {%- call create_scratch('touched') -%}
        select
            edges.weak_id as node_id,
            min(coalesce(merges.root_id, labels.profile_id)) as profile_id,
            min(coalesce(merges.root_id, labels.profile_id))
            < max(coalesce(merges.root_id, labels.profile_id)) as touches_several
        from {{ scratch('edges') }} as edges
        inner join {{ scratch('labels') }} as labels on edges.strong_id = labels.node_id
        left join {{ scratch('merges') }} as merges on labels.profile_id = merges.profile_id
        where edges.weak_rank = {{ rank }} and edges.strong_rank < {{ rank }}
        group by edges.weak_id
    {%- endcall -%}
    {%- call create_scratch('peers') -%}
        select distinct strong_id as node_a, weak_id as node_b
        from {{ scratch('edges') }}
        where weak_rank = {{ rank }} and strong_rank = {{ rank }}
    {%- endcall -%}
{%- endmacro %}

{# Step 2. A partner sits in a profile already, or touches that one profile in this round, too. #}
{% macro separate_partners() -%}
    {%- call create_scratch('separated') -%}
        select touched.node_id, min(nevers.partner_id) as partner_id
        from {{ scratch('touched') }} as touched
        inner join {{ scratch('nevers') }} as nevers on touched.node_id = nevers.node_id
        inner join (
            select labels.node_id, coalesce(merges.root_id, labels.profile_id) as profile_id
            from {{ scratch('labels') }} as labels
            left join {{ scratch('merges') }} as merges on labels.profile_id = merges.profile_id
            union all
            select node_id, profile_id from {{ scratch('touched') }}
            where not touches_several
        ) as partners
            on
                nevers.partner_id = partners.node_id
                and touched.profile_id = partners.profile_id
        where not touched.touches_several
        group by touched.node_id
    {%- endcall -%}
    {%- call append_scratch('demotions') -%}
        select node_id, partner_id as other_id, 'separate' as demotion, cast(null as bigint) as rule_rank
        from {{ scratch('separated') }}
    {%- endcall -%}
    {%- call create_scratch('kept_touched') -%}
        select touched.node_id, touched.profile_id, touched.touches_several
        from {{ scratch('touched') }} as touched
        left join {{ scratch('separated') }} as separated on touched.node_id = separated.node_id
        where separated.node_id is null
    {%- endcall -%}
    {%- call create_scratch('touched') -%}
        select node_id, profile_id, touches_several from {{ scratch('kept_touched') }}
    {%- endcall -%}
    {%- do drop_scratch(['separated', 'kept_touched']) -%}
{%- endmacro %}

{# Step 3: nodes that join, then all the profiles they touch, and the groups that joins connect. #}
{% macro find_joiners() -%}
    {%- call create_scratch('joiners') -%}
        select
            candidates.node_id,
            min(candidates.profile_id) as profile_id,
            max(candidates.several) = 1 as touches_several
        from (
            select node_id, profile_id, 1 as several from {{ scratch('touched') }}
            where touches_several
            union all
            select peers.node_id, touched.profile_id, 0 as several
            from (
                select node_a as node_id from {{ scratch('peers') }}
                union
                select node_b from {{ scratch('peers') }}
            ) as peers
            left join {{ scratch('touched') }} as touched on peers.node_id = touched.node_id
        ) as candidates
        group by candidates.node_id
    {%- endcall -%}
{%- endmacro %}

{% macro group_joins(rank) -%}
    {%- call create_scratch('joins') -%}
        select joiners.node_id as node_a, coalesce(merges.root_id, labels.profile_id) as node_b
        from {{ scratch('edges') }} as edges
        inner join {{ scratch('joiners') }} as joiners on edges.weak_id = joiners.node_id
        inner join {{ scratch('touched') }} as touched on joiners.node_id = touched.node_id
        inner join {{ scratch('labels') }} as labels on edges.strong_id = labels.node_id
        left join {{ scratch('merges') }} as merges on labels.profile_id = merges.profile_id
        where edges.weak_rank = {{ rank }} and edges.strong_rank < {{ rank }}
        union
        select node_a, node_b from {{ scratch('peers') }}
    {%- endcall -%}
    {%- call(components) contract_components('joins') -%}
        {%- call create_scratch('join_labels') -%}{{ components }}{%- endcall -%}
    {%- endcall -%}
    {#- What would be in each group: its profiles' nodes, its joiners, and the nodes that touch one of its profiles. -#}
    {%- call create_scratch('group_members') -%}
        select join_labels.component_id as group_id, labels.node_id
        from {{ scratch('labels') }} as labels
        left join {{ scratch('merges') }} as merges on labels.profile_id = merges.profile_id
        inner join {{ scratch('join_labels') }} as join_labels
            on coalesce(merges.root_id, labels.profile_id) = join_labels.node_id
        union all
        select join_labels.component_id as group_id, joiners.node_id
        from {{ scratch('joiners') }} as joiners
        inner join {{ scratch('join_labels') }} as join_labels on joiners.node_id = join_labels.node_id
        union all
        select join_labels.component_id as group_id, touched.node_id
        from {{ scratch('touched') }} as touched
        inner join {{ scratch('join_labels') }} as join_labels on touched.profile_id = join_labels.node_id
        left join {{ scratch('joiners') }} as joiners on touched.node_id = joiners.node_id
        where joiners.node_id is null
    {%- endcall -%}
{%- endmacro %}

{# Step 4. The strongest type whose limit breaks is the reason. #}
{% macro test_limits() -%}
    {%- call create_scratch('broken_groups') -%}
        select group_id, min(type_rank) as rule_rank
        from (
            select group_members.group_id, node_types.type_rank
            from {{ scratch('group_members') }} as group_members
            inner join {{ scratch('node_types') }} as node_types on group_members.node_id = node_types.node_id
            where node_types.max_per_profile is not null
            group by group_members.group_id, node_types.type_rank
            having count(*) > max(node_types.max_per_profile)
        ) as broken_limits
        group by group_id
    {%- endcall -%}
{%- endmacro %}

{% macro test_nevers() -%}
    {%- call append_scratch('broken_groups') -%}
        select distinct members.group_id, cast(null as bigint) as rule_rank
        from {{ scratch('nevers') }} as nevers
        inner join {{ scratch('group_members') }} as members on nevers.node_id = members.node_id
        inner join {{ scratch('group_members') }} as partners
            on nevers.partner_id = partners.node_id and members.group_id = partners.group_id
        left join {{ scratch('broken_groups') }} as broken_groups on members.group_id = broken_groups.group_id
        where broken_groups.group_id is null
    {%- endcall -%}
{%- endmacro %}

{# Step 5 for groups. A group without profiles (edges within the rank alone) is named after its smallest node. #}
{% macro settle_groups() -%}
    {%- call create_scratch('group_roots') -%}
        select
            join_labels.component_id as group_id,
            coalesce(
                min(case when joiners.node_id is null then join_labels.node_id end),
                join_labels.component_id
            ) as root_id
        from {{ scratch('join_labels') }} as join_labels
        left join {{ scratch('joiners') }} as joiners on join_labels.node_id = joiners.node_id
        left join {{ scratch('broken_groups') }} as broken_groups on join_labels.component_id = broken_groups.group_id
        where broken_groups.group_id is null
        group by join_labels.component_id
    {%- endcall -%}
    {%- do settle_joiners() -%}
    {%- do merge_profiles() -%}
    {%- do drop_scratch(['joins', 'join_labels', 'group_members', 'broken_groups', 'group_roots']) -%}
{%- endmacro %}

{% macro settle_joiners() -%}
    {%- call append_scratch('labels') -%}
        select
            joiners.node_id,
            coalesce(group_roots.root_id, joiners.profile_id, joiners.node_id) as profile_id
        from {{ scratch('joiners') }} as joiners
        inner join {{ scratch('join_labels') }} as join_labels on joiners.node_id = join_labels.node_id
        left join {{ scratch('group_roots') }} as group_roots on join_labels.component_id = group_roots.group_id
        where group_roots.group_id is not null or not joiners.touches_several
    {%- endcall -%}
    {%- call append_scratch('demotions') -%}
        select joiners.node_id, cast(null as bigint) as other_id, 'shared' as demotion, broken_groups.rule_rank
        from {{ scratch('joiners') }} as joiners
        inner join {{ scratch('join_labels') }} as join_labels on joiners.node_id = join_labels.node_id
        inner join {{ scratch('broken_groups') }} as broken_groups on join_labels.component_id = broken_groups.group_id
        where joiners.touches_several
        union all
        select peers.node_a as node_id, peers.node_b as other_id, 'edge' as demotion, broken_groups.rule_rank
        from {{ scratch('peers') }} as peers
        inner join {{ scratch('join_labels') }} as join_labels on peers.node_a = join_labels.node_id
        inner join {{ scratch('broken_groups') }} as broken_groups on join_labels.component_id = broken_groups.group_id
    {%- endcall -%}
{%- endmacro %}

{% macro merge_profiles() -%}
    {%- call create_scratch('new_merges') -%}
        select join_labels.node_id as profile_id, group_roots.root_id
        from {{ scratch('join_labels') }} as join_labels
        inner join {{ scratch('group_roots') }} as group_roots on join_labels.component_id = group_roots.group_id
        left join {{ scratch('joiners') }} as joiners on join_labels.node_id = joiners.node_id
        where joiners.node_id is null and join_labels.node_id <> group_roots.root_id
    {%- endcall -%}
    {%- call create_scratch('all_merges') -%}
        select merges.profile_id, coalesce(new_merges.root_id, merges.root_id) as root_id
        from {{ scratch('merges') }} as merges
        left join {{ scratch('new_merges') }} as new_merges on merges.root_id = new_merges.profile_id
        union all
        select profile_id, root_id from {{ scratch('new_merges') }}
    {%- endcall -%}
    {%- call create_scratch('merges') -%}
        select profile_id, root_id from {{ scratch('all_merges') }}
    {%- endcall -%}
    {%- do drop_scratch(['new_merges', 'all_merges']) -%}
{%- endmacro %}

{# Step 5 for nodes that join nothing: the one profile they touch, or their own. #}
{% macro settle_others(rank) -%}
    {%- call append_scratch('labels') -%}
        select nodes.node_id, coalesce(touched.profile_id, nodes.node_id) as profile_id
        from {{ scratch('nodes') }} as nodes
        left join {{ scratch('joiners') }} as joiners on nodes.node_id = joiners.node_id
        left join {{ scratch('touched') }} as touched on nodes.node_id = touched.node_id
        where nodes.node_rank = {{ rank }} and joiners.node_id is null
    {%- endcall -%}
{%- endmacro %}
