-- Desired minus delivered: every change a destination needs, before guards look at the
-- plan as a whole.
with

syncs as (select * from {{ ref('syncs') }}),

members as (select * from {{ ref('int_sync_members') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

consents as (select * from {{ ref('int_recipient_consents') }}),

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

desired as (
    select * from members
    where reason is null
),

-- Unknown counts as absent for whoever should be there: they are asserted again, in the
-- newest state.
asserts as (
    select
        desired.sync_name,
        desired.recipient_key,
        desired.recipient_type,
        desired.profile_id,
        desired.payload,
        desired.payload_hash,
        desired.mapping_version,
        case
            when delivered.is_present then delivered.handle else desired.recipient_key
        end as handle,
        coalesce(delivered.generation, 0) as generation,
        case when delivered.state = 'acked' then 'update' else 'enter' end as action,
        case
            when delivered.state = 'unknown' then 'outcome_unknown'
            when delivered.state is null or delivered.state = 'absent' then 'member'
            when delivered.mapping_version <> desired.mapping_version
                then 'mapping_changed'
            else 'payload_changed'
        end as reason
    from desired
    left join delivered
        on
            desired.sync_name = delivered.sync_name
            and desired.recipient_key = delivered.recipient_key
    where
        delivered.state is null
        or delivered.state <> 'acked'
        or delivered.payload_hash <> desired.payload_hash
        or delivered.mapping_version <> desired.mapping_version
),

-- What a person is in the audience today, for the reason of an exit: still sent, under
-- another key, or kept back.
persons as (
    select
        sync_name,
        profile_id,
        max(case when reason is null then 1 else 0 end) as sent_elsewhere,
        min(reason) as reason
    from members
    group by sync_name, profile_id
),

-- Unknown counts as present for whoever should not be there: they are removed.
exits as (
    select
        delivered.sync_name,
        delivered.recipient_key,
        syncs.recipient_type,
        delivered.profile_id,
        null as payload,
        delivered.payload_hash,
        syncs.mapping_version,
        delivered.handle,
        delivered.generation,
        'exit' as action,
        case
            when consents.obstacle = 'consent_denied' then 'consent_withdrawn'
            when persons.sent_elsewhere = 1 and syncs.recipient_type = 'profile_id'
                then 'merged'
            when persons.sent_elsewhere = 1 then 'identifier_changed'
            else coalesce(persons.reason, 'no_longer_member')
        end as reason
    from delivered
    inner join syncs
        on delivered.sync_name = syncs.sync_name
    left join desired
        on
            delivered.sync_name = desired.sync_name
            and delivered.recipient_key = desired.recipient_key
    left join persons
        on
            delivered.sync_name = persons.sync_name
            and delivered.profile_id = persons.profile_id
    left join consents
        on
            delivered.sync_name = consents.sync_name
            and delivered.recipient_key = consents.recipient_key
            and delivered.profile_id = consents.profile_id
    where delivered.is_present and desired.recipient_key is null
),

changes as (
    select
        sync_name,
        recipient_key,
        recipient_type,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        handle,
        generation,
        action,
        reason
    from asserts
    union all
    select
        sync_name,
        recipient_key,
        recipient_type,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        handle,
        generation,
        action,
        reason
    from exits
),

-- The key comes last: it alone may hold the separator.
described as (
    select
        changes.*,
        sync_name || '|' || cast(generation as {{ dbt.type_string() }})
        || '|' || action || '|' || payload_hash
        || '|' || cast(mapping_version as {{ dbt.type_string() }})
        || '|' || recipient_key as operation
    from changes
),

identified as (
    select
        sync_name,
        recipient_key,
        recipient_type,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        handle,
        generation,
        action,
        reason,
        {{ sha256_hex('operation') }} as op_id
    from described
),

-- What was refused for good is not asked again until the state, the payload or the
-- mapping changes.
rejected as (
    select distinct op_id
    from deliveries
    where kind = 'outcome' and outcome = 'rejected'
),

final as (
    select
        identified.*,
        rejected.op_id is not null as is_rejected,
        identified.reason = 'consent_withdrawn' as is_exempt
    from identified
    left join rejected
        on identified.op_id = rejected.op_id
)

select * from final
