{{ config(materialized='view') }}
-- Every attempt with what is known of its outcome. What is landed last counts: a job
-- may be accepted first and settled later, and a person may settle what nobody knew.
with

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

outcomes as (
    select
        attempt_id,
        max_by(outcome, record_id) as outcome,
        max_by(coalesce(handle, ''), record_id) as handle,
        max_by(coalesce(http_status, 0), record_id) as http_status,
        max_by(coalesce(job, ''), record_id) as job,
        max(happened_at) as settled_at
    from deliveries
    where kind = 'outcome'
    group by attempt_id
),

final as (
    select
        deliveries.attempt_id,
        deliveries.record_id,
        deliveries.run_id,
        deliveries.sync_name,
        deliveries.account,
        deliveries.op_id,
        deliveries.action,
        deliveries.recipient_key,
        deliveries.recipient_type,
        coalesce(nullif(outcomes.handle, ''), deliveries.handle) as handle,
        deliveries.profile_id,
        deliveries.generation,
        deliveries.payload_hash,
        deliveries.mapping_version,
        deliveries.happened_at as attempted_at,
        coalesce(outcomes.outcome, 'unknown') as outcome,
        nullif(outcomes.http_status, 0) as http_status,
        nullif(outcomes.job, '') as job,
        outcomes.settled_at
    from deliveries
    left join outcomes
        on deliveries.attempt_id = outcomes.attempt_id
    where deliveries.kind = 'attempt'
)

select * from final
