with

identifiers as (select * from {{ ref('int_seen_identifiers') }}),

solved_graph as (select * from {{ ref('int_solved_graph') }}),

always_together as (select * from {{ ref('int_always_together') }}),

affected_edges as (select * from {{ ref('int_affected_edges') }}),

labelled as (
    select
        identifiers.*,
        coalesce(always_together.component_id, identifiers.identifier_id) as node_id,
        solved_graph.component_id
    from identifiers
    left join always_together on identifiers.identifier_id = always_together.node_id
    left join solved_graph
        on
            coalesce(always_together.component_id, identifiers.identifier_id)
            = solved_graph.node_id
            and solved_graph.component_id is not null
),

-- The representative: the best priority, then the first landed, then the value.
representatives as (
    select
        component_id,
        {{ min_by(
            'identifier_id',
            ['priority', 'first_record_id', 'identifier_type', 'identifier_value'],
        ) }} as representative_id,
        max(case when is_anchor then 1 else 0 end) as has_anchor,
        min(first_seen_at) as first_seen_at
    from labelled
    where component_id is not null
    group by component_id
),

profiles as (
    select
        representatives.representative_id,
        {{ profile_id('labelled.identifier_type', 'labelled.identifier_value') }}
            as profile_id,
        case when representatives.has_anchor = 1 then 'anchor' else 'shadow' end
            as profile_kind,
        representatives.first_seen_at
    from representatives
    inner join labelled on representatives.representative_id = labelled.identifier_id
),

members as (
    select
        labelled.identifier_id,
        representatives.representative_id
    from labelled
    inner join representatives on labelled.component_id = representatives.component_id
),

-- A shared identifier belongs to nobody; several declared one are as strong as the
-- strongest of them.
shared as (
    select
        identifier_id,
        node_id,
        min(type_rank) over (partition by node_id) as node_rank
    from labelled
    where component_id is null
),

neighbours as (
    select
        shared.node_id,
        shared.node_rank,
        affected_edges.node_b as neighbour_id,
        affected_edges.first_seen_at,
        affected_edges.earliest_record_id
    from shared
    inner join affected_edges on shared.identifier_id = affected_edges.node_a
    where affected_edges.is_edge
    union all
    select
        shared.node_id,
        shared.node_rank,
        affected_edges.node_a as neighbour_id,
        affected_edges.first_seen_at,
        affected_edges.earliest_record_id
    from shared
    inner join affected_edges on shared.identifier_id = affected_edges.node_b
    where affected_edges.is_edge
),

-- At home it is in the profile of its earliest evidence with somebody stronger.
homes as (
    select
        neighbours.node_id,
        {{ min_by(
            'representatives.representative_id',
            [
                'neighbours.first_seen_at',
                'neighbours.earliest_record_id',
                'neighbours.neighbour_id',
            ],
        ) }} as representative_id
    from neighbours
    inner join labelled as others on neighbours.neighbour_id = others.identifier_id
    inner join representatives on others.component_id = representatives.component_id
    where others.type_rank < neighbours.node_rank
    group by neighbours.node_id
),

placed as (
    select
        identifier_id,
        representative_id,
        false as is_shared
    from members
    union all
    select
        labelled.identifier_id,
        homes.representative_id,
        true as is_shared
    from labelled
    inner join homes on labelled.node_id = homes.node_id
),

final as (
    select
        labelled.identifier_id,
        labelled.identifier_type,
        labelled.identifier_value,
        labelled.type_rank,
        cast(labelled.priority as bigint) as priority,
        labelled.when_shared,
        placed.representative_id,
        placed.is_shared,
        profiles.profile_id,
        {{ profile_id('labelled.identifier_type', 'labelled.identifier_value') }}
            as own_profile_id,
        profiles.profile_kind,
        profiles.first_seen_at as profile_first_seen_at,
        labelled.first_record_id,
        labelled.first_seen_at,
        labelled.last_seen_at
    from labelled
    inner join placed on labelled.identifier_id = placed.identifier_id
    inner join profiles on placed.representative_id = profiles.representative_id
)

select * from final
