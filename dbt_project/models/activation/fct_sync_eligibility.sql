-- For everyone in a sync's audience: sent or not, and if not, why. Who has several
-- identifiers of the sync's type is sent when one of them is.
with

members as (select * from {{ ref('int_sync_members') }}),

changes as (select * from {{ ref('int_changes_planned') }}),

refused as (
    select
        sync_name,
        recipient_key
    from changes
    where is_rejected and action <> 'exit'
),

judged as (
    select
        members.*,
        case
            when members.reason is not null then members.reason
            when refused.recipient_key is not null then 'rejected_by_destination'
            else ''
        end as obstacle
    from members
    left join refused
        on
            members.sync_name = refused.sync_name
            and members.recipient_key = refused.recipient_key
),

final as (
    select
        sync_name,
        profile_id,
        instance_key,
        recipient_type,
        min(obstacle) = '' as is_eligible,
        nullif(min(obstacle), '') as reason
    from judged
    group by sync_name, profile_id, instance_key, recipient_type
)

select * from final
