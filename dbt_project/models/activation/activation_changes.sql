-- The plan: what the delivery loop takes to the destinations, row by row. Blocked rows
-- wait for a person.
with

changes as (select * from {{ ref('int_changes_planned') }}),

guards as (select * from {{ ref('activation_guards') }}),

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
