with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifiers as (select * from {{ ref('int_identifiers') }}),

identifier_sets as (select * from {{ ref('int_identifier_sets') }}),

members as (
    select
        set_identifiers.identifier_set_id,
        set_identifiers.identifier_id,
        identifiers.type_rank
    from set_identifiers
    inner join identifiers
        on set_identifiers.identifier_id = identifiers.identifier_id
),

-- The strongest identifier of a record is the centre of its star.
centres as (
    select
        identifier_set_id,
        {{ min_by('identifier_id', ['type_rank', 'identifier_id']) }} as identifier_id,
        min(type_rank) as type_rank
    from members
    group by identifier_set_id
    having count(*) > 1
),

rays as (
    select
        centres.identifier_id as strong_id,
        members.identifier_id as weak_id,
        centres.type_rank as strong_rank,
        members.type_rank as weak_rank,
        centres.identifier_set_id
    from centres
    inner join members
        on
            centres.identifier_set_id = members.identifier_set_id
            and centres.identifier_id <> members.identifier_id
),

final as (
    select
        rays.strong_id,
        rays.weak_id,
        min(rays.strong_rank) as strong_rank,
        min(rays.weak_rank) as weak_rank,
        min(identifier_sets.first_record_id) as first_record_id,
        min(identifier_sets.first_seen_at) as first_seen_at,
        max(identifier_sets.last_seen_at) as last_seen_at,
        {{ min_by(
            'identifier_sets.earliest_record_id',
            ['identifier_sets.first_seen_at', 'identifier_sets.earliest_record_id'],
        ) }} as earliest_record_id,
        {{ max_by(
            'identifier_sets.latest_record_id',
            ['identifier_sets.last_seen_at', 'identifier_sets.latest_record_id'],
        ) }} as latest_record_id
    from rays
    inner join identifier_sets
        on rays.identifier_set_id = identifier_sets.identifier_set_id
    group by rays.strong_id, rays.weak_id
)

select * from final
