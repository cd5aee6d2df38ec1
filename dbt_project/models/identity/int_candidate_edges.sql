with

candidate_identifiers as (select * from {{ ref('int_candidate_identifiers') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

members as (
    select
        candidate_identifiers.identifier_set_id,
        candidate_identifiers.identifier_id,
        candidate_identifiers.is_previous,
        identifier_rules.type_rank
    from candidate_identifiers
    inner join identifier_rules
        on candidate_identifiers.identifier_type = identifier_rules.identifier_type
),

centres as (
    select
        identifier_set_id,
        {{ min_by('identifier_id', ['is_previous', 'type_rank', 'identifier_id']) }}
            as identifier_id
    from members
    group by identifier_set_id
    having count(*) > 1
),

final as (
    select distinct
        centres.identifier_id as node_a,
        members.identifier_id as node_b
    from centres
    inner join members
        on
            centres.identifier_set_id = members.identifier_set_id
            and centres.identifier_id <> members.identifier_id
)

select * from final
