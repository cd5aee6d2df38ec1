{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='identifier_id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        meta={'touched': 'int_affected_members'},
    )
}}

with

solved_graph as (select * from {{ ref('int_solved_graph') }}),

affected_members as (select * from {{ ref('int_affected_members') }}),

seen_identifiers as (select * from {{ ref('int_seen_identifiers') }}),

always_together as (select * from {{ ref('int_always_together') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

demoted as (
    select
        solved_graph.node_id,
        solved_graph.other_id,
        solved_graph.demotion,
        case
            when identifier_rules.identifier_type is not null
                then 'limit of ' || identifier_rules.identifier_type
            else 'never together'
        end as rule
    from solved_graph
    left join identifier_rules on solved_graph.rule_rank = identifier_rules.type_rank
    where solved_graph.demotion is not null
),

demoted_nodes as (
    select node_id from demoted
    union
    select other_id as node_id from demoted
),

-- Of several that were declared to be one, the smallest that was seen.
names as (
    select
        demoted_nodes.node_id,
        min(seen_identifiers.identifier_id) as identifier_id
    from demoted_nodes
    left join always_together on demoted_nodes.node_id = always_together.component_id
    inner join seen_identifiers
        on
            coalesce(always_together.node_id, demoted_nodes.node_id)
            = seen_identifiers.identifier_id
    group by demoted_nodes.node_id
),

demotions as (
    select
        demoted.demotion,
        demoted.rule,
        names.identifier_id,
        others.identifier_id as other_id
    from demoted
    inner join names on demoted.node_id = names.node_id
    left join names as others on demoted.other_id = others.node_id
    union all
    select distinct
        'hub' as demotion,
        'hub' as rule,
        identifier_id,
        cast(null as bigint) as other_id
    from affected_members
    where is_hub and is_usable
),

values_of as (
    select
        identifier_id,
        min(identifier_type) as identifier_type,
        min(identifier_value) as identifier_value
    from affected_members
    where
        identifier_id in (select demotions.identifier_id from demotions)
        or identifier_id in (select demotions.other_id from demotions)
    group by identifier_id
),

final as (
    select
        demotions.demotion,
        demotions.rule,
        demotions.identifier_id,
        demotions.other_id,
        these.identifier_type,
        these.identifier_value,
        others.identifier_type as other_type,
        others.identifier_value as other_value
    from demotions
    left join values_of as these on demotions.identifier_id = these.identifier_id
    left join values_of as others on demotions.other_id = others.identifier_id
)

select * from final
