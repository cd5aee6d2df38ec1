-- I4 at the way out. Every landed attempt is in the log with one outcome, known or not;
-- every outcome belongs to an attempt; and what is planned is an operation, once.
with

deliveries as (select * from {{ ref('stg_landing__deliveries') }}),

attempts as (select * from {{ ref('fct_sync_attempts') }}),

landed as (
    select
        sync_name,
        count(case when kind = 'attempt' then 1 end) as attempt_count,
        count(distinct case when kind = 'outcome' then attempt_id end)
            as answered_count
    from deliveries
    group by sync_name
),

logged as (
    select
        sync_name,
        count(*) as attempt_count,
        count(settled_at) as answered_count
    from attempts
    group by sync_name
),

final as (
    select
        landed.sync_name,
        landed.attempt_count,
        logged.attempt_count as logged_count,
        landed.answered_count,
        logged.answered_count as logged_answers
    from landed
    left join logged on landed.sync_name = logged.sync_name
    where
        landed.attempt_count <> coalesce(logged.attempt_count, 0)
        or landed.answered_count <> coalesce(logged.answered_count, 0)
)

select * from final
