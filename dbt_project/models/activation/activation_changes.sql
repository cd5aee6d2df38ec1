-- The plan: what the delivery loop takes to the destinations, row by row. Blocked rows
-- wait for a person. Guards look at syncs; who enters a journey was decided one by one.
with

planned as (select * from {{ ref('int_changes_planned') }}),

journeys as (select * from {{ ref('int_journey_triggers') }}),

guards as (select * from {{ ref('activation_guards') }}),

changes as (
    select
        sync_name,
        op_id,
        action,
        recipient_key,
        recipient_type,
        handle,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        generation,
        reason,
        is_rejected,
        is_exempt
    from planned
    union all
    select
        sync_name,
        op_id,
        action,
        recipient_key,
        recipient_type,
        handle,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        generation,
        reason,
        is_rejected,
        is_exempt
    from journeys
),

blocked as (
    select
        sync_name,
        min(guard_name) as guard_name
    from guards
    where is_blocked
    group by sync_name
),

final as (
    select
        changes.sync_name,
        changes.op_id,
        changes.action,
        changes.recipient_key,
        changes.recipient_type,
        changes.handle,
        changes.profile_id,
        changes.payload,
        changes.payload_hash,
        changes.mapping_version,
        changes.generation,
        changes.reason,
        blocked.guard_name is not null and not changes.is_exempt as is_blocked,
        case when not changes.is_exempt then blocked.guard_name end as blocked_by
    from changes
    left join blocked
        on changes.sync_name = blocked.sync_name
    where not changes.is_rejected
)

select * from final
