{{ config(materialized='limited_components') }}

with

identifiers as (select * from {{ ref('int_seen_identifiers') }}),

affected_edges as (select * from {{ ref('int_affected_edges') }}),

never_together as (select * from {{ ref('int_never_together') }}),

always_together as (select * from {{ ref('int_always_together') }}),

-- Identifiers that a person declared one are one node, so no limit can part them and
-- two accounts of one person count as one.
declared as (
    select
        always_together.node_id as identifier_id,
        always_together.component_id as node_id,
        identifiers.type_rank,
        identifiers.max_per_profile,
        min(identifiers.type_rank) over (partition by always_together.component_id)
            as node_rank
    from identifiers
    inner join always_together on identifiers.identifier_id = always_together.node_id
),

nodes as (
    select
        'node' as kind,
        identifiers.identifier_id as node_id,
        identifiers.type_rank,
        identifiers.max_per_profile
    from identifiers
    left join declared on identifiers.identifier_id = declared.identifier_id
    where declared.identifier_id is null
    union all
    select distinct
        case when type_rank = node_rank then 'node' else 'also' end as kind,
        node_id,
        type_rank,
        max_per_profile
    from declared
),

edges as (
    select
        coalesce(a.node_id, affected_edges.node_a) as node_a,
        coalesce(b.node_id, affected_edges.node_b) as node_b,
        coalesce(a.node_rank, affected_edges.rank_a) as rank_a,
        coalesce(b.node_rank, affected_edges.rank_b) as rank_b
    from affected_edges
    left join declared as a on affected_edges.node_a = a.identifier_id
    left join declared as b on affected_edges.node_b = b.identifier_id
    where affected_edges.is_edge
),

nevers as (
    select
        coalesce(a.component_id, never_together.node_a) as node_a,
        coalesce(b.component_id, never_together.node_b) as node_b
    from never_together
    left join always_together as a on never_together.node_a = a.node_id
    left join always_together as b on never_together.node_b = b.node_id
),

final as (
    select
        kind,
        node_id as node_a,
        cast(null as bigint) as node_b,
        type_rank as rank_a,
        cast(null as bigint) as rank_b,
        max_per_profile
    from nodes
    union all
    select
        'edge' as kind,
        node_a,
        node_b,
        rank_a,
        rank_b,
        cast(null as bigint) as max_per_profile
    from edges
    union all
    select
        'never' as kind,
        node_a,
        node_b,
        cast(null as bigint) as rank_a,
        cast(null as bigint) as rank_b,
        cast(null as bigint) as max_per_profile
    from nevers
)

select * from final
