with

identity_changes as (select * from {{ ref('stg_landing__identity_changes') }}),

pending as (select * from {{ ref('identity_changes_pending') }}),

changes as (
    select
        as_of,
        identifier_type,
        identifier_value,
        previous_profile_id,
        profile_id,
        reason,
        cause_record_id
    from identity_changes
    union all
    select * from pending
),

-- A profile's first row is that of the identifier that gave it its id; the others that
-- came with it are no change of a profile.
of_profiles as (
    select *
    from changes
    where
        reason <> 'first'
        or profile_id = {{ profile_id('identifier_type', 'identifier_value') }}
),

final as (
    select
        coalesce(previous_profile_id, profile_id) as previous_profile_id,
        profile_id as surviving_profile_id,
        reason,
        as_of as changed_at,
        min(cause_record_id) as cause_record_id,
        cast(count(*) as bigint) as identifier_count
    from of_profiles
    group by previous_profile_id, profile_id, reason, as_of
)

select * from final
