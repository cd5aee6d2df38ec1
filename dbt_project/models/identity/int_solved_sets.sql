with

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

identifiers as (select * from {{ ref('int_identifiers') }}),

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

profiles as (select * from {{ ref('int_profiles') }}),

-- The strongest identifier that is somebody's decides; without one, the strongest
-- shared one does.
deciding as (
    select
        set_identifiers.identifier_set_id,
        {{ min_by(
            'set_identifiers.identifier_id',
            [
                'resolved_identifiers.is_shared',
                'set_identifiers.is_previous',
                'set_identifiers.type_rank',
                'set_identifiers.identifier_id',
            ],
        ) }} as identifier_id
    from set_identifiers
    inner join resolved_identifiers
        on set_identifiers.identifier_id = resolved_identifiers.identifier_id
    group by set_identifiers.identifier_set_id
),

final as (
    select
        deciding.identifier_set_id,
        deciding.identifier_id,
        identifiers.type_rank,
        profiles.profile_id,
        resolved_identifiers.is_shared and identifiers.when_shared = 'by_time'
            as is_by_time
    from deciding
    inner join identifiers on deciding.identifier_id = identifiers.identifier_id
    inner join resolved_identifiers
        on deciding.identifier_id = resolved_identifiers.identifier_id
    inner join profiles
        on resolved_identifiers.representative_id = profiles.representative_id
)

select * from final
