{#
  Connected components by contraction, in plain SQL that every engine runs.

  Takes the scratch table `edges` (node_a, node_b) and hands the call block a query for (node_id, component_id): every
  node that has an edge, with the smallest node of its component. The query is good within the block.

  1. Hook: every node points to the smallest of itself and its neighbours.
  2. Jump: every pointer is replaced by its pointer's pointer, a few times, without asking whether that is enough.
  3. Contract: both ends of every edge are replaced by what they point to; loops and repeats go.
  4. Repeat until no edge is left, then read the maps of all rounds one after another.

  A node and what it points to are always in one component, so cutting the jumps short costs a round but no
  correctness; the smallest node of a component points to itself, so it is the label. Hooking and pointer jumping
  are Shiloach and Vishkin's (1982); contracting between rounds is Kiveris and others' (2014), from whom we depart
  in relabelling all edges instead of keeping stars. A chain in sorted order shrinks slowly, so the jumps double
  whenever a round leaves more than half of the edges.
#}
{% macro contract_in_rounds(edges, max_rounds=40) -%}
    {%- set state = namespace(edges=edges, left=none, round=0, jumps=1, maps=[]) -%}
    {%- set state.left = count_scratch(edges) -%}
    {%- for _ in range(max_rounds) -%}
        {%- if state.left > 0 -%}
            {%- set state.round = state.round + 1 -%}
            {%- set map = hook_and_jump(state.edges, state.round, state.jumps) -%}
            {%- set contracted = contract_edges(state.edges, map, state.round) -%}
            {%- set left = count_scratch(contracted) -%}
            {%- if 2 * left > state.left -%}
                {%- set state.jumps = [2 * state.jumps, 40] | min -%}
            {%- endif -%}
            {%- if state.round > 1 -%}
                {%- do drop_scratch([state.edges]) -%}
            {%- endif -%}
            {%- do state.maps.append(map) -%}
            {%- set state.edges = contracted -%}
            {%- set state.left = left -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if state.left > 0 -%}
        {{ exceptions.raise_compiler_error(
            'Components are not finished after ' ~ max_rounds ~ ' rounds: ' ~ state.left ~ ' edges are left.'
        ) }}
    {%- endif -%}
    {%- if state.round > 0 -%}
        {%- do drop_scratch([state.edges]) -%}
    {%- endif -%}
    {%- do caller(composed_labels(edges, state.maps)) -%}
    {%- do drop_scratch(state.maps + ['composed_0', 'composed_1']) -%}
{%- endmacro %}

{# Steps 1 and 2. Returns the name of the round's map (node_id, parent_id). #}
{% macro hook_and_jump(edges, round, jumps) -%}
    {%- set prefix = 'map_' ~ round ~ '_' -%}
    {%- call create_scratch(prefix ~ 0) -%}
        select
            node_id,
            least(node_id, min(neighbour_id)) as parent_id
        from (
            select node_a as node_id, node_b as neighbour_id from {{ scratch(edges) }}
            union all
            select node_b as node_id, node_a as neighbour_id from {{ scratch(edges) }}
        ) as both_ways
        group by node_id
    {%- endcall -%}
    {%- for jump in range(jumps) -%}
        {%- call create_scratch(prefix ~ (jump + 1)) -%}
            select
                lower_map.node_id,
                coalesce(upper_map.parent_id, lower_map.parent_id) as parent_id
            from {{ scratch(prefix ~ jump) }} as lower_map
            left join {{ moved(prefix ~ jump) }} as upper_map
                on lower_map.parent_id = upper_map.node_id
        {%- endcall -%}
        {%- do drop_scratch([prefix ~ jump]) -%}
    {%- endfor -%}
    {{ return(prefix ~ jumps) }}
{%- endmacro %}

{# Step 3. Returns the name of the contracted edges. #}
{% macro contract_edges(edges, map, round) -%}
    {%- set contracted = 'contracted_' ~ round ~ '_' -%}
    {%- call create_scratch(contracted) -%}
        select distinct
            coalesce(map_a.parent_id, edges.node_a) as node_a,
            coalesce(map_b.parent_id, edges.node_b) as node_b
        from {{ scratch(edges) }} as edges
        left join {{ moved(map) }} as map_a on edges.node_a = map_a.node_id
        left join {{ moved(map) }} as map_b on edges.node_b = map_b.node_id
        where coalesce(map_a.parent_id, edges.node_a) <> coalesce(map_b.parent_id, edges.node_b)
    {%- endcall -%}
    {{ return(contracted) }}
{%- endmacro %}

{# What does not point to itself: half of a map, and a join against half costs half. #}
{% macro moved(map) -%}
    (select node_id, parent_id from {{ scratch(map) }} where node_id <> parent_id)
{%- endmacro %}

{# Step 4: a query that reads the maps of all rounds one after another; all but the last are composed already. #}
{% macro composed_labels(edges, maps) -%}
    {%- set state = namespace(composed=none, query=none) -%}
    {%- for map in maps | reverse -%}
        {%- set state.query -%}
            select
                earlier.node_id,
                {% if state.composed %}coalesce(later.component_id, earlier.parent_id){% else %}earlier.parent_id{% endif %} as component_id
            from {{ scratch(map) }} as earlier
            {% if state.composed %}
            left join {{ scratch(state.composed) }} as later
                on earlier.parent_id = later.node_id
            {% endif %}
        {%- endset -%}
        {%- if not loop.last -%}
            {%- set state.composed = 'composed_' ~ (loop.index % 2) -%}
            {%- call create_scratch(state.composed) -%}{{ state.query }}{%- endcall -%}
            {%- do drop_scratch([map]) -%}
        {%- endif -%}
    {%- else -%}
        {%- set state.query = 'select node_a as node_id, node_a as component_id from ' ~ scratch(edges) ~ ' where 1 = 0' -%}
    {%- endfor -%}
    {{ return(state.query) }}
{%- endmacro %}
