-- What deliveries prove about each recipient of each sync, as a fold of attempts and
-- their outcomes. Silence is unknown; a rejection or a retry certainly changed nothing.
-- A resync takes back what was believed before it: who is there is unknown again, and
-- so is who left while an outcome was ever unclear, as a late request may have brought
-- them back. Removals that are due stay due.
with

attempts as (select * from {{ ref('fct_sync_attempts') }}),

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

results as (
    select
        *,
        case
            when outcome <> 'delivered' then 'unknown'
            when action = 'exit' then 'absent'
            else 'acked'
        end as state
    from attempts
    where action <> 'trigger' and outcome not in ('retry', 'rejected')
),

-- Generations, not clocks, say which attempt came last.
latest as (
    select
        sync_name,
        recipient_key,
        {{ max_by('record_id', ['generation', 'record_id']) }} as record_id,
        count(*) as change_count,
        max(case when state = 'unknown' then 1 else 0 end) as unknown_seen
    from results
    group by sync_name, recipient_key
),

resyncs as (
    select
        sync_name,
        max(record_id) as record_id
    from deliveries
    where kind = 'resync'
    group by sync_name
),

proven as (
    select
        results.*,
        latest.change_count,
        latest.unknown_seen = 1 as has_been_unknown,
        coalesce(
            resyncs.record_id > results.record_id
            and (
                results.state = 'acked'
                or results.state = 'absent' and latest.unknown_seen = 1
            ),
            false
        ) as is_resynced
    from latest
    inner join results
        on latest.record_id = results.record_id
    left join resyncs
        on latest.sync_name = resyncs.sync_name
),

final as (
    select
        proven.sync_name,
        proven.recipient_key,
        proven.recipient_type,
        proven.handle,
        coalesce(profile_ids.profile_id, proven.profile_id) as profile_id,
        case when is_resynced then 'unknown' else proven.state end as state,
        is_resynced or proven.state <> 'absent' as is_present,
        proven.state = 'acked' as is_acked,
        is_resynced,
        proven.outcome = 'accepted' as is_pending,
        proven.account,
        proven.attempt_id,
        proven.job,
        proven.payload_hash,
        proven.mapping_version,
        cast(proven.change_count as bigint) as generation,
        proven.has_been_unknown,
        coalesce(proven.settled_at, proven.attempted_at) as changed_at
    from proven
    left join profile_ids
        on proven.profile_id = profile_ids.any_profile_id
)

select * from final
