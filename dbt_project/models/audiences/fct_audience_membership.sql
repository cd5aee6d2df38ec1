with

landed as (select * from {{ ref('stg_landing__membership_changes') }}),

pending as (select * from {{ ref('membership_changes_pending') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

-- History as it will be landed: what this refresh found comes last.
changes as (
    select
        audience_name,
        profile_id,
        instance_key,
        action,
        reason,
        as_of,
        0 as is_pending,
        record_id
    from landed
    union all
    select
        audience_name,
        profile_id,
        instance_key,
        action,
        reason,
        as_of,
        1 as is_pending,
        null as record_id
    from pending
),

-- A repeated enter or exit says nothing new.
told as (
    select
        changes.*,
        lag(action) over (
            partition by audience_name, profile_id, instance_key
            order by is_pending, record_id
        ) as action_before
    from changes
),

-- Each enter meets the change that follows it, which can only be its exit.
paired as (
    select
        audience_name,
        profile_id,
        instance_key,
        action,
        reason,
        as_of,
        lead(as_of) over (
            partition by audience_name, profile_id, instance_key
            order by is_pending, record_id
        ) as exited_at,
        lead(reason) over (
            partition by audience_name, profile_id, instance_key
            order by is_pending, record_id
        ) as exit_reason,
        sum(case when action = 'enter' then 1 else 0 end) over (
            partition by audience_name, profile_id, instance_key
            order by is_pending, record_id
            rows between unbounded preceding and current row
        ) as entry_number
    from told
    where action_before is null or action_before <> action
),

final as (
    select
        paired.audience_name,
        coalesce(profile_ids.profile_id, paired.profile_id) as profile_id,
        paired.profile_id as entered_profile_id,
        paired.instance_key,
        cast(paired.entry_number as bigint) as entry_number,
        paired.as_of as entered_at,
        paired.reason as enter_reason,
        paired.exited_at,
        paired.exit_reason
    from paired
    left join profile_ids
        on paired.profile_id = profile_ids.any_profile_id
    where paired.action = 'enter'
)

select * from final
