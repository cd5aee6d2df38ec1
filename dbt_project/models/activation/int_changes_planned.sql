-- Desired minus delivered: every change a destination needs, before guards look at the
-- plan as a whole. What a sync's mode wants of a difference is decided here.
-- The large tables are imported once for each use, so that the engine reads the columns
-- and rows of that use and keeps no copy of all of them.
with

syncs as (select * from {{ ref('syncs') }}),

desired as (
    select * from {{ ref('int_sync_members') }}
    where reason is null and mode <> 'events'
),

desired_snapshots as (
    select * from {{ ref('int_sync_members') }}
    where reason is null and mode = 'snapshot'
),

events as (
    select * from {{ ref('int_sync_members') }}
    where reason is null and mode = 'events'
),

members as (select * from {{ ref('int_sync_members') }}),

delivered as (select * from {{ ref('int_sync_delivered') }}),

delivered_snapshots as (select * from {{ ref('int_sync_delivered') }}),

denials as (
    select * from {{ ref('int_recipient_consents') }}
    where obstacle in ('erased', 'consent_denied')
),

told_attempts as (
    select * from {{ ref('fct_sync_attempts') }}
    where
        action = 'trigger' and outcome in ('delivered', 'accepted', 'rejected')
),

rejected_attempts as (
    select * from {{ ref('fct_sync_attempts') }}
    where action <> 'trigger' and outcome = 'rejected'
),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

-- Where desired and delivered differ. Whoever is there goes as whom they came, though
-- the sync may name people otherwise today.
-- Whoever is part of a job that still runs waits
-- for its end: nobody knows yet what to change.
differences as (
    select
        coalesce(desired.sync_name, delivered.sync_name) as sync_name,
        coalesce(desired.recipient_key, delivered.recipient_key) as recipient_key,
        desired.recipient_key is not null as is_desired,
        coalesce(desired.profile_id, delivered.profile_id) as profile_id,
        desired.payload,
        coalesce(desired.payload_hash, delivered.payload_hash) as payload_hash,
        case when delivered.is_present then delivered.handle end as known_handle,
        delivered.recipient_type as known_type,
        coalesce(delivered.generation, 0) as generation,
        coalesce(delivered.state, 'absent') as state,
        coalesce(delivered.is_resynced, false) as is_resynced,
        coalesce(delivered.is_acked, false) as is_acked,
        coalesce(
            delivered.mapping_version <> desired.mapping_version, false
        ) as is_remapped,
        false as is_same
    from desired
    full outer join delivered
        on
            desired.sync_name = delivered.sync_name
            and desired.recipient_key = delivered.recipient_key
    where
        not coalesce(delivered.is_pending, false)
        and case
            when desired.recipient_key is null then delivered.is_present
            else coalesce(
                delivered.state <> 'acked'
                or delivered.payload_hash <> desired.payload_hash
                or delivered.mapping_version <> desired.mapping_version,
                true
            )
        end
),

-- A snapshot in which anything changed is told whole.
retold as (
    select
        desired_snapshots.sync_name,
        desired_snapshots.recipient_key,
        true as is_desired,
        desired_snapshots.profile_id,
        desired_snapshots.payload,
        desired_snapshots.payload_hash,
        delivered_snapshots.handle as known_handle,
        delivered_snapshots.recipient_type as known_type,
        delivered_snapshots.generation,
        delivered_snapshots.state,
        false as is_resynced,
        true as is_acked,
        false as is_remapped,
        true as is_same
    from desired_snapshots
    inner join delivered_snapshots
        on
            desired_snapshots.sync_name = delivered_snapshots.sync_name
            and desired_snapshots.recipient_key = delivered_snapshots.recipient_key
    where
        desired_snapshots.sync_name in (select sync_name from differences)
        and delivered_snapshots.state = 'acked'
        and delivered_snapshots.payload_hash = desired_snapshots.payload_hash
        and delivered_snapshots.mapping_version = desired_snapshots.mapping_version
),

compared as (
    select * from differences
    union all
    select * from retold
),

-- Unknown counts as absent for whoever should be there: they are asserted again, in the
-- newest state.
asserts as (
    select
        compared.*,
        syncs.recipient_type,
        syncs.mapping_version,
        case
            when compared.state = 'acked' or syncs.mode = 'update' then 'update'
            else 'enter'
        end as action,
        case
            when compared.is_resynced and compared.is_acked then 'resync'
            when compared.state = 'unknown' then 'outcome_unknown'
            when compared.state = 'absent' then 'member'
            when compared.is_same then 'snapshot'
            when compared.is_remapped then 'mapping_changed'
            else 'payload_changed'
        end as reason
    from compared
    inner join syncs
        on compared.sync_name = syncs.sync_name
    where
        compared.is_desired
        and (syncs.mode <> 'insert' or compared.state <> 'acked')
),

leaving as (
    select
        compared.*,
        coalesce(compared.known_type, syncs.recipient_type) as recipient_type,
        syncs.mapping_version,
        syncs.mode,
        syncs.state = 'retired' as is_retired
    from compared
    inner join syncs
        on compared.sync_name = syncs.sync_name
    where not compared.is_desired
),

gone as (
    select distinct
        sync_name,
        profile_id
    from leaving
),

-- What a person is in the audience today, for the reason of an exit: still sent, under
-- another key, or kept back.
persons as (
    select
        members.sync_name,
        members.profile_id,
        max(case when members.reason is null then 1 else 0 end) as sent_elsewhere,
        min(members.reason) as reason
    from members
    inner join gone
        on
            members.sync_name = gone.sync_name
            and members.profile_id = gone.profile_id
    group by members.sync_name, members.profile_id
),

-- Unknown counts as present for whoever should not be there: they are removed.
exits as (
    select
        leaving.*,
        'exit' as action,
        case
            when denials.obstacle = 'erased' then 'erased'
            when denials.obstacle = 'consent_denied' then 'consent_withdrawn'
            when leaving.is_retired then 'sync_retired'
            when leaving.is_resynced and not leaving.is_acked then 'resync'
            when persons.sent_elsewhere = 1 and leaving.recipient_type = 'profile_id'
                then 'merged'
            when persons.sent_elsewhere = 1 then 'identifier_changed'
            else coalesce(persons.reason, 'no_longer_member')
        end as reason
    from leaving
    left join persons
        on
            leaving.sync_name = persons.sync_name
            and leaving.profile_id = persons.profile_id
    left join denials
        on
            leaving.sync_name = denials.sync_name
            and leaving.recipient_key = denials.recipient_key
            and leaving.profile_id = denials.profile_id
),

-- Modes that do not mirror let people stay who are no longer members, but nobody who
-- said no.
removals as (
    select * from exits
    where
        mode in ('mirror', 'snapshot')
        or reason in ('consent_withdrawn', 'erased')
),

-- Members of a sync of events: each instance of a membership is an operation of its
-- own.
named_events as (
    select
        *,
        sync_name || '|' || instance_key || '|' as instance
    from events
),

instances as (
    select
        *,
        {{ sha256_hex('instance || recipient_key') }} as op_id
    from named_events
),

-- What was told for good. A job that still runs counts as told.
told as (
    select
        told_attempts.sync_name,
        told_attempts.op_id,
        told_attempts.recipient_key,
        told_attempts.outcome = 'rejected' as is_rejected,
        coalesce(profile_ids.profile_id, told_attempts.profile_id) as profile_id
    from told_attempts
    left join profile_ids
        on told_attempts.profile_id = profile_ids.any_profile_id
),

-- The same instance was told to the same person under another identifier.
told_otherwise as (
    select distinct instances.op_id
    from instances
    inner join told
        on
            instances.sync_name = told.sync_name
            and instances.profile_id = told.profile_id
    where
        told.recipient_key <> instances.recipient_key
        and told.op_id
        = {{ sha256_hex('instances.instance || told.recipient_key') }}
),

told_operations as (
    select
        op_id,
        min(case when is_rejected then 1 else 0 end) = 1 as is_rejected
    from told
    group by op_id
),

triggers as (
    select
        instances.*,
        coalesce(told_operations.is_rejected, false) as is_rejected
    from instances
    left join told_operations
        on instances.op_id = told_operations.op_id
    left join told_otherwise
        on instances.op_id = told_otherwise.op_id
    where
        told_otherwise.op_id is null
        and coalesce(told_operations.is_rejected, true)
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
        coalesce(known_handle, recipient_key) as handle,
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
        null as payload,
        payload_hash,
        mapping_version,
        known_handle as handle,
        generation,
        action,
        reason
    from removals
),

-- The key comes last: it alone may hold the separator.
identified as (
    select
        *,
        case when action = 'exit' then generation else -1 end as exit_generation,
        sync_name || '|' || cast(generation as {{ dbt.type_string() }})
        || '|' || action || '|' || payload_hash
        || '|' || cast(mapping_version as {{ dbt.type_string() }})
        || '|' || recipient_key as operation
    from changes
),

-- What was refused for good is not asked again until the payload or the mapping
-- changes; a removal, until the state does.
rejected as (
    select distinct
        sync_name,
        recipient_key,
        payload_hash,
        mapping_version,
        case when action = 'exit' then generation else -1 end as exit_generation
    from rejected_attempts
),

states as (
    select
        identified.sync_name,
        identified.recipient_key,
        identified.recipient_type,
        identified.profile_id,
        identified.payload,
        identified.payload_hash,
        identified.mapping_version,
        identified.handle,
        identified.generation,
        identified.action,
        identified.reason,
        {{ sha256_hex('identified.operation') }} as op_id,
        rejected.recipient_key is not null as is_rejected
    from identified
    left join rejected
        on
            identified.sync_name = rejected.sync_name
            and identified.recipient_key = rejected.recipient_key
            and identified.payload_hash = rejected.payload_hash
            and identified.mapping_version = rejected.mapping_version
            and rejected.exit_generation = identified.exit_generation
),

final as (
    select
        *,
        reason in ('consent_withdrawn', 'erased', 'sync_retired') as is_exempt
    from states
    union all
    select
        sync_name,
        recipient_key,
        recipient_type,
        profile_id,
        payload,
        payload_hash,
        mapping_version,
        recipient_key as handle,
        cast(0 as bigint) as generation,
        'trigger' as action,
        'member' as reason,
        op_id,
        is_rejected,
        false as is_exempt
    from triggers
)

select * from final
