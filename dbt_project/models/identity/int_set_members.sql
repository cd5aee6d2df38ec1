{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_set_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_sets'},
    )
}}

-- depends_on: {{ ref('int_hub_suspects') }}
-- depends_on: {{ ref('int_affected_sets') }}
with

affected_members as (select * from {{ ref('int_affected_members') }}),

solved_graph as (select * from {{ ref('int_solved_graph') }}),

affected_components as (select * from {{ ref('int_affected_components') }}),

always_together as (select * from {{ ref('int_always_together') }}),

members as (
    select
        affected_members.*,
        coalesce(always_together.component_id, affected_members.star_id) as node_id
    from affected_members
    left join always_together on affected_members.star_id = always_together.node_id
    where not affected_members.is_former
),

-- Everything that is connected at any distance is one component: what a change of any
-- part of it makes necessary to solve anew.
placed as (
    select
        members.*,
        coalesce(solved_graph.component_id, members.node_id) as profile_node_id
    from members
    left join solved_graph
        on
            members.node_id = solved_graph.node_id
            and solved_graph.component_id is not null
),

final as (
    select
        placed.identifier_set_id,
        placed.source_id,
        placed.member_id as identifier_id,
        placed.identifier_type,
        placed.identifier_value,
        placed.is_given,
        placed.is_previous,
        placed.is_blocked,
        placed.is_usable,
        placed.centre_id,
        placed.centre_type,
        coalesce(affected_components.component_id, placed.profile_node_id)
            as component_id
    from placed
    left join affected_components
        on placed.profile_node_id = affected_components.node_id
)

select * from final
