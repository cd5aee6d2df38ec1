with

affected_members as (select * from {{ ref('int_affected_members') }}),

solved_identifiers as (select * from {{ ref('int_solved_identifiers') }}),

-- The strongest identifier that is somebody's decides; without one, the strongest
-- shared one does.
deciding as (
    select
        affected_members.identifier_set_id,
        {{ min_by(
            'affected_members.identifier_id',
            [
                'solved_identifiers.is_shared',
                'affected_members.is_previous',
                'affected_members.type_rank',
                'affected_members.identifier_id',
            ],
        ) }} as identifier_id
    from affected_members
    inner join solved_identifiers
        on affected_members.identifier_id = solved_identifiers.identifier_id
    where affected_members.is_linking
    group by affected_members.identifier_set_id
),

final as (
    select
        deciding.identifier_set_id,
        deciding.identifier_id,
        solved_identifiers.identifier_type,
        solved_identifiers.profile_id,
        solved_identifiers.is_shared and solved_identifiers.when_shared = 'by_time'
            as is_by_time
    from deciding
    inner join solved_identifiers
        on deciding.identifier_id = solved_identifiers.identifier_id
)

select * from final
