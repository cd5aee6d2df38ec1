with

solved_graph as (select * from {{ ref('int_solved_graph') }}),

hubs as (select * from {{ ref('int_identity_hubs') }}),

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

names as (
    select distinct
        identifier_id,
        identifier_type,
        identifier_value
    from candidate_identifiers
),

demotions as (
    select
        solved_graph.node_id as identifier_id,
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
    union all
    select
        identifier_id,
        cast(null as bigint) as other_id,
        'hub' as demotion,
        'hub' as rule
    from hubs
),

final as (
    select
        demotions.demotion,
        demotions.rule,
        demotions.identifier_id,
        demotions.other_id,
        names.identifier_type,
        names.identifier_value,
        others.identifier_type as other_type,
        others.identifier_value as other_value
    from demotions
    left join names on demotions.identifier_id = names.identifier_id
    left join names as others on demotions.other_id = others.identifier_id
)

select * from final
