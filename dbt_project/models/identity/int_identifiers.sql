with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

seen as (
    select
        set_identifiers.identifier_id,
        min(set_identifiers.identifier_type) as identifier_type,
        min(set_identifiers.identifier_value) as identifier_value,
        min(identifier_sets.first_record_id) as first_record_id,
        min(identifier_sets.first_seen_at) as first_seen_at,
        max(identifier_sets.last_seen_at) as last_seen_at
    from set_identifiers
    inner join identifier_sets
        on set_identifiers.identifier_set_id = identifier_sets.identifier_set_id
    group by set_identifiers.identifier_id
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
