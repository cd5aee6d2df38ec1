with

affected_sets as (select * from {{ ref('int_affected_sets') }}),

affected_members as (select * from {{ ref('int_affected_members') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

seen as (
    select
        affected_members.identifier_id,
        min(affected_members.identifier_type) as identifier_type,
        min(affected_members.identifier_value) as identifier_value,
        min(affected_sets.first_record_id) as first_record_id,
        min(affected_sets.first_seen_at) as first_seen_at,
        max(affected_sets.last_seen_at) as last_seen_at
    from affected_members
    inner join affected_sets
        on affected_members.identifier_set_id = affected_sets.identifier_set_id
    where affected_members.is_linking and affected_sets.first_record_id is not null
    group by affected_members.identifier_id
),

final as (
    select
        seen.identifier_id,
        seen.identifier_type,
        seen.identifier_value,
        identifier_rules.priority,
        identifier_rules.type_rank,
        identifier_rules.max_per_profile,
        identifier_rules.when_shared,
        identifier_rules.is_anchor,
        seen.first_record_id,
        seen.first_seen_at,
        seen.last_seen_at
    from seen
    inner join identifier_rules
        on seen.identifier_type = identifier_rules.identifier_type
)

select * from final
