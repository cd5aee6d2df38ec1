{{ config(materialized='components') }}

with

affected_edges as (select * from {{ ref('int_affected_edges') }}),

solved_graph as (select * from {{ ref('int_solved_graph') }}),

always_together as (select * from {{ ref('int_always_together') }}),

-- Whom the rules made one profile is connected anyway.
profiles as (
    select
        node_id,
        component_id
    from solved_graph
    where component_id is not null
),

nodes as (
    select
        coalesce(a.component_id, affected_edges.node_a) as node_a,
        coalesce(b.component_id, affected_edges.node_b) as node_b
    from affected_edges
    left join always_together as a on affected_edges.node_a = a.node_id
    left join always_together as b on affected_edges.node_b = b.node_id
),

final as (
    select
        coalesce(a.component_id, nodes.node_a) as node_a,
        coalesce(b.component_id, nodes.node_b) as node_b
    from nodes
    left join profiles as a on nodes.node_a = a.node_id
    left join profiles as b on nodes.node_b = b.node_id
)

select * from final
