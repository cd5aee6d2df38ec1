{{ config(materialized='view') }}
-- Every pass over a plan that attempted something, or that found it had to wait. One
-- that was killed has no end. Records that name no run tell of none.
with

attempts as (
    select * from {{ ref('fct_sync_attempts') }}
    where run_id is not null
),

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

attempted as (
    select
        run_id,
        min(sync_name) as sync_name,
        min(account) as account,
        min(attempted_at) as started_at,
        count(*) as attempt_count,
        sum(case when outcome = 'delivered' then 1 else 0 end) as delivered_count,
        sum(case when outcome = 'accepted' then 1 else 0 end) as accepted_count,
        sum(case when outcome = 'rejected' then 1 else 0 end) as rejected_count,
        sum(case when outcome = 'retry' then 1 else 0 end) as retry_count,
        sum(case when outcome = 'unknown' then 1 else 0 end) as unknown_count
    from attempts
    group by run_id
),

ended as (
    select * from deliveries
    where kind = 'run' and run_id is not null
),

final as (
    select
        coalesce(attempted.run_id, ended.run_id) as run_id,
        coalesce(attempted.sync_name, ended.sync_name) as sync_name,
        coalesce(attempted.account, ended.account) as account,
        coalesce(attempted.started_at, ended.happened_at) as started_at,
        ended.happened_at as ended_at,
        coalesce(ended.outcome = 'delivered', false) as is_complete,
        ended.requests as request_count,
        cast(coalesce(attempted.attempt_count, 0) as bigint) as attempt_count,
        cast(coalesce(attempted.delivered_count, 0) as bigint) as delivered_count,
        cast(coalesce(attempted.accepted_count, 0) as bigint) as accepted_count,
        cast(coalesce(attempted.rejected_count, 0) as bigint) as rejected_count,
        cast(coalesce(attempted.retry_count, 0) as bigint) as retry_count,
        cast(coalesce(attempted.unknown_count, 0) as bigint) as unknown_count,
        ended.http_status,
        ended.not_before,
        ended.detail
    from attempted
    full outer join ended
        on attempted.run_id = ended.run_id
)

select * from final
