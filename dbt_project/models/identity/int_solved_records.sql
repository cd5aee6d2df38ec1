with

records as (select * from {{ ref('int_records') }}),

set_profiles as (select * from {{ ref('int_solved_sets') }}),

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

shared_devices as (
    select distinct
        identifier_id,
        type_rank
    from set_profiles
    where is_by_time
),

-- Every set with a shared device: it waits for an answer, or somebody stronger is
-- identified in it, or it says nothing about who held the device.
device_sets as (
    select
        shared_devices.identifier_id as device_id,
        set_profiles.identifier_set_id,
        set_profiles.profile_id as home_profile_id,
        set_profiles.is_by_time
        and set_profiles.identifier_id = shared_devices.identifier_id as is_waiting,
        case
            when
                not set_profiles.is_by_time
                and set_profiles.type_rank < shared_devices.type_rank
                then set_profiles.profile_id
        end as identified_profile_id
    from shared_devices
    inner join set_identifiers
        on shared_devices.identifier_id = set_identifiers.identifier_id
    inner join set_profiles
        on set_identifiers.identifier_set_id = set_profiles.identifier_set_id
),

-- The profile last identified on the device before the record, else the first after it.
timeline as (
    select
        records.record_id,
        device_sets.is_waiting,
        device_sets.home_profile_id,
        last_value(device_sets.identified_profile_id ignore nulls) over (
            partition by device_sets.device_id
            order by records.occurred_at asc, records.record_id asc
            rows between unbounded preceding and current row
        ) as profile_before,
        first_value(device_sets.identified_profile_id ignore nulls) over (
            partition by device_sets.device_id
            order by records.occurred_at asc, records.record_id asc
            rows between current row and unbounded following
        ) as profile_after
    from records
    inner join device_sets on records.identifier_set_id = device_sets.identifier_set_id
),

final as (
    select
        record_id,
        coalesce(profile_before, profile_after, home_profile_id) as profile_id
    from timeline
    where is_waiting
)

select * from final
