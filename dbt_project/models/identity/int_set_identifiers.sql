with

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

hubs as (select * from {{ ref('int_identity_hubs') }}),

final as (
    select
        candidate_identifiers.identifier_set_id,
        candidate_identifiers.identifier_id,
        candidate_identifiers.identifier_type,
        candidate_identifiers.identifier_value,
        candidate_identifiers.is_previous,
        identifier_rules.type_rank
    from candidate_identifiers
    inner join identifier_rules
        on candidate_identifiers.identifier_type = identifier_rules.identifier_type
    left join hubs on candidate_identifiers.identifier_id = hubs.identifier_id
    where hubs.identifier_id is null
)

select * from final
