-- What deliveries prove about each recipient of each sync, as a fold of attempts and
-- their outcomes. Silence is unknown; a rejection or a retry certainly changed nothing.
with

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

profile_ids as (select * from {{ ref('dim_profile_ids') }}),

-- An asynchronous job may be accepted first and settled later: its last outcome counts.
outcomes as (
    select
        attempt_id,
        max_by(outcome, record_id) as outcome
    from deliveries
    where kind = 'outcome'
    group by attempt_id
),

results as (
    select
        deliveries.sync_name,
        deliveries.recipient_key,
        deliveries.handle,
        deliveries.profile_id,
        deliveries.generation,
        deliveries.payload_hash,
        deliveries.mapping_version,
        deliveries.record_id,
        case
            when outcomes.outcome in ('retry', 'rejected') then 'unchanged'
            when outcomes.outcome is null then 'unknown'
            when outcomes.outcome <> 'delivered' then 'unknown'
            when deliveries.action = 'exit' then 'absent'
            else 'acked'
        end as state
    from deliveries
    left join outcomes
        on deliveries.attempt_id = outcomes.attempt_id
    where deliveries.kind = 'attempt'
),

-- Generations, not clocks, say which attempt came last.
ranked as (
    select
        results.*,
        row_number() over (
            partition by sync_name, recipient_key
            order by generation desc, record_id desc
        ) as place,
        count(*) over (partition by sync_name, recipient_key) as change_count,
        max(case when state = 'unknown' then 1 else 0 end) over (
            partition by sync_name, recipient_key
        ) as unknown_seen
    from results
    where state <> 'unchanged'
),

final as (
    select
        ranked.sync_name,
        ranked.recipient_key,
        ranked.handle,
        coalesce(profile_ids.profile_id, ranked.profile_id) as profile_id,
        ranked.state,
        ranked.state <> 'absent' as is_present,
        ranked.payload_hash,
        ranked.mapping_version,
        cast(ranked.change_count as bigint) as generation,
        ranked.unknown_seen = 1 as has_been_unknown
    from ranked
    left join profile_ids
        on ranked.profile_id = profile_ids.any_profile_id
    where ranked.place = 1
)

select * from final
