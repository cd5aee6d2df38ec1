{{ config(materialized='limited_components') }}

with

identifiers as (select * from {{ ref('int_seen_identifiers') }}),

affected_edges as (select * from {{ ref('int_affected_edges') }}),

never_together as (select * from {{ ref('int_never_together') }}),

always_together as (select * from {{ ref('int_always_together') }}),

-- Identifiers that a person declared one are one node, so no limit can part them and
-- two accounts of one person count as one.
nodes as (
    select
        identifiers.identifier_id,
        identifiers.type_rank,
        identifiers.max_per_profile,
        coalesce(always_together.component_id, identifiers.identifier_id) as node_id
    from identifiers
    left join always_together on identifiers.identifier_id = always_together.node_id
),

never_nodes as (
    select
        coalesce(a.component_id, never_together.node_a) as node_a,
        coalesce(b.component_id, never_together.node_b) as node_b
    from never_together
    left join always_together as a on never_together.node_a = a.node_id
    left join always_together as b on never_together.node_b = b.node_id
),

edge_nodes as (
    select
        coalesce(a.component_id, affected_edges.node_a) as node_a,
        coalesce(b.component_id, affected_edges.node_b) as node_b
    from affected_edges
    left join always_together as a on affected_edges.node_a = a.node_id
    left join always_together as b on affected_edges.node_b = b.node_id
    where affected_edges.is_edge
),

final as (
    select
        'node' as kind,
        node_id as node_a,
        cast(null as bigint) as node_b,
        type_rank,
        max_per_profile
    from nodes
    union all
    select
        'edge' as kind,
        node_a,
        node_b,
        cast(null as bigint) as type_rank,
        cast(null as bigint) as max_per_profile
    from edge_nodes
    union all
    select
        'never' as kind,
        node_a,
        node_b,
        cast(null as bigint) as type_rank,
        cast(null as bigint) as max_per_profile
    from never_nodes
)

select * from final
