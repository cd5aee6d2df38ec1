{#
  Connected components by contraction, in plain SQL that every engine runs.

  The scratch table `edges` (node_a, node_b) is contracted in place; the scratch table `labels` (node_id,
  component_id) is what comes out: every node that had an edge, and the smallest node of its component.

  1. Hook: every node points to the smallest of itself and its neighbours.
  2. Jump: every pointer is replaced by its pointer's pointer, a few times, without asking whether that is enough.
  3. Contract: both ends of every edge are replaced by what they point to; loops and repeats go.
  4. Repeat until no edge is left, then read the maps of all rounds one after another.

  A node and what it points to are always in one component, so cutting the jumps short costs a round but no
  correctness; the smallest node of a component points to itself, so it is the label. This is hooking and pointer
  jumping as in Shiloach and Vishkin (1982), with the contraction of Kiveris and others (2014). A chain in sorted
  order shrinks slowly, so the jumps double whenever a round leaves more than half of the edges.
#}
{% macro contract_components(edges, labels, max_rounds=40) -%}
    {%- set state = namespace(round=0, left=none, jumps=2) -%}
    {%- do create_scratch(
        'contraction_edges',
        'select distinct node_a, node_b from ' ~ scratch(edges) ~ ' where node_a <> node_b'
    ) -%}
    {%- set state.left = count_rows(scratch('contraction_edges')) -%}
    {%- for _ in range(max_rounds) -%}
        {%- if state.left > 0 -%}
            {%- set state.round = state.round + 1 -%}
            {%- do contraction_round(state.round, state.jumps) -%}
            {%- set left = count_rows(scratch('contraction_edges')) -%}
            {%- if 2 * left > state.left -%}
                {%- set state.jumps = [2 * state.jumps, 40] | min -%}
            {%- endif -%}
            {%- set state.left = left -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if state.left > 0 -%}
        {{ exceptions.raise_compiler_error(
            'Components are not finished after ' ~ max_rounds ~ ' rounds: ' ~ state.left ~ ' edges are left.'
        ) }}
    {%- endif -%}
    {%- do compose_labels(labels, state.round) -%}
{%- endmacro %}

{# One round: hook, jump, contract. Leaves the round's map behind as contraction_map_<n>. #}
{% macro contraction_round(number, jumps) -%}
    {%- do create_scratch(
        'contraction_map',
        'select node_id, least(node_id, min(neighbour_id)) as parent_id from ('
        ~ 'select node_a as node_id, node_b as neighbour_id from ' ~ scratch('contraction_edges')
        ~ ' union all '
        ~ 'select node_b as node_id, node_a as neighbour_id from ' ~ scratch('contraction_edges')
        ~ ') as both_ways group by node_id'
    ) -%}
    {%- for _ in range(jumps) -%}
        {%- do create_scratch(
            'contraction_jumped',
            'select lower_map.node_id, upper_map.parent_id from ' ~ scratch('contraction_map') ~ ' as lower_map'
            ~ ' inner join ' ~ scratch('contraction_map') ~ ' as upper_map'
            ~ ' on lower_map.parent_id = upper_map.node_id'
        ) -%}
        {%- do create_scratch('contraction_map', 'select * from ' ~ scratch('contraction_jumped')) -%}
    {%- endfor -%}
    {%- do create_scratch('contraction_map_' ~ number, 'select * from ' ~ scratch('contraction_map')) -%}
    {%- do create_scratch(
        'contraction_contracted',
        'select distinct map_a.parent_id as node_a, map_b.parent_id as node_b from '
        ~ scratch('contraction_edges') ~ ' as edges'
        ~ ' inner join ' ~ scratch('contraction_map') ~ ' as map_a on edges.node_a = map_a.node_id'
        ~ ' inner join ' ~ scratch('contraction_map') ~ ' as map_b on edges.node_b = map_b.node_id'
        ~ ' where map_a.parent_id <> map_b.parent_id'
    ) -%}
    {%- do create_scratch('contraction_edges', 'select * from ' ~ scratch('contraction_contracted')) -%}
{%- endmacro %}

{# The maps of all rounds, one after another, from the last back to the first. #}
{% macro compose_labels(labels, rounds) -%}
    {%- if rounds == 0 -%}
        {%- do create_scratch(
            labels,
            'select node_a as node_id, node_a as component_id from ' ~ scratch('contraction_edges') ~ ' where 1 = 0'
        ) -%}
    {%- else -%}
        {%- do create_scratch(
            labels, 'select node_id, parent_id as component_id from ' ~ scratch('contraction_map_' ~ rounds)
        ) -%}
    {%- endif -%}
    {%- for number in range(rounds - 1, 0, -1) -%}
        {%- do create_scratch(
            'contraction_composed',
            'select earlier.node_id, coalesce(later.component_id, earlier.parent_id) as component_id from '
            ~ scratch('contraction_map_' ~ number) ~ ' as earlier left join ' ~ scratch(labels) ~ ' as later'
            ~ ' on earlier.parent_id = later.node_id'
        ) -%}
        {%- do create_scratch(labels, 'select * from ' ~ scratch('contraction_composed')) -%}
    {%- endfor -%}
    {%- do drop_scratch(['contraction_edges', 'contraction_contracted', 'contraction_map', 'contraction_jumped']) -%}
    {%- for number in range(1, rounds + 1) -%}
        {%- do drop_scratch(['contraction_map_' ~ number]) -%}
    {%- endfor -%}
{%- endmacro %}

{% macro count_rows(relation) -%}
    {{ return(run_query('select count(*) from ' ~ relation).columns[0].values()[0] | int) }}
{%- endmacro %}
