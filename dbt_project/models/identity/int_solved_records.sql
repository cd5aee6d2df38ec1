with

records as (select * from {{ ref('int_records') }}),

solved_sets as (select * from {{ ref('int_solved_sets') }}),

affected_members as (select * from {{ ref('int_affected_members') }}),

identifier_rules as (select * from {{ ref('int_identifier_rules') }}),

ranked_sets as (
    select
        solved_sets.*,
        identifier_rules.type_rank
    from solved_sets
    inner join identifier_rules
        on solved_sets.identifier_type = identifier_rules.identifier_type
),

shared_devices as (
    select distinct
        identifier_id,
        type_rank
    from ranked_sets
    where is_by_time
),

-- Every set with a shared device: it waits for an answer, or somebody stronger is
-- identified in it, or it says nothing about who held the device.
device_sets as (
    select
        shared_devices.identifier_id as device_id,
        ranked_sets.identifier_set_id,
        ranked_sets.profile_id as home_profile_id,
        ranked_sets.is_by_time
        and ranked_sets.identifier_id = shared_devices.identifier_id as is_waiting,
        case
            when
                not ranked_sets.is_by_time
                and ranked_sets.type_rank < shared_devices.type_rank
                then ranked_sets.profile_id
        end as identified_profile_id
    from shared_devices
    inner join affected_members
        on
            shared_devices.identifier_id = affected_members.identifier_id
            and affected_members.is_linking
    inner join ranked_sets
        on affected_members.identifier_set_id = ranked_sets.identifier_set_id
),

-- A withdrawn record identifies nobody.
moments as (
    select
        records.record_id,
        records.occurred_at,
        device_sets.device_id,
        device_sets.is_waiting,
        device_sets.home_profile_id,
        case
            when not records.is_withdrawn then device_sets.identified_profile_id
        end as identified_profile_id
    from records
    inner join device_sets on records.identifier_set_id = device_sets.identifier_set_id
),

-- The profile last identified on the device before the record, else the first after it.
timeline as (
    select
        record_id,
        device_id,
        is_waiting,
        home_profile_id,
        {{ last_known('identified_profile_id') }} over (
            partition by device_id
            order by occurred_at asc, record_id asc
            rows between unbounded preceding and current row
        ) as profile_before,
        {{ first_known('identified_profile_id') }} over (
            partition by device_id
            order by occurred_at asc, record_id asc
            rows between current row and unbounded following
        ) as profile_after
    from moments
),

final as (
    select
        record_id,
        device_id as identifier_id,
        coalesce(profile_before, profile_after, home_profile_id) as profile_id
    from timeline
    where is_waiting
)

select * from final
