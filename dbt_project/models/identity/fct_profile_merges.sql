{{ config(materialized='view') }}

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

promotions as (
    select distinct
        as_of,
        profile_id
    from changes
    where reason = 'promoted'
),

-- A profile's first row is that of the identifier that gave it its id; the others that
-- came with it change no profile. One that another was promoted to was there before.
of_profiles as (
    select changes.*
    from changes
    left join promotions
        on
            changes.as_of = promotions.as_of
            and changes.profile_id = promotions.profile_id
    where
        changes.reason <> 'first'
        or (
            changes.profile_id
            = {{ profile_id('changes.identifier_type', 'changes.identifier_value') }}
            and promotions.profile_id is null
        )
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
