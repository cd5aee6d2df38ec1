{{ config(materialized='view') }}
-- What share of a source's day was repeated, refused, early, delayed or nameless, held
-- against the two weeks before. What is usual for a source is no fault of the day.
with

event_days as (select * from {{ ref('obs_event_days') }}),

source_days as (
    select
        source_id,
        received_date,
        sum(received_count) as received_count,
        sum(received_count - rejected_count) as landed_count,
        sum(duplicate_count) as duplicate_count,
        sum(rejected_count) as rejected_count,
        sum(early_count) as early_count,
        sum(delayed_count) as delayed_count,
        sum(nameless_count) as nameless_count
    from event_days
    group by source_id, received_date
),

measured as (
    select
        source_id,
        received_date,
        'duplicates' as measure,
        duplicate_count as odd_count,
        landed_count as total_count,
        {{ var('rate_duplicates_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        received_date,
        'rejects' as measure,
        rejected_count as odd_count,
        received_count as total_count,
        {{ var('rate_rejects_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        received_date,
        'early' as measure,
        early_count as odd_count,
        landed_count as total_count,
        {{ var('rate_clock_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        received_date,
        'delayed' as measure,
        delayed_count as odd_count,
        landed_count as total_count,
        {{ var('rate_clock_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        received_date,
        'nameless' as measure,
        nameless_count as odd_count,
        landed_count as total_count,
        {{ var('rate_nameless_percent') }} as allowed_percent
    from source_days
),

with_past as (
    select
        *,
        sum(odd_count) over (
            partition by source_id, measure
            order by received_date
            rows between 14 preceding and 1 preceding
        ) as past_odd_count,
        sum(total_count) over (
            partition by source_id, measure
            order by received_date
            rows between 14 preceding and 1 preceding
        ) as past_count
    from measured
),

final as (
    select
        source_id,
        measure,
        received_date,
        cast(odd_count as bigint) as odd_count,
        cast(total_count as bigint) as total_count,
        cast(100.0 * odd_count / nullif(total_count, 0) as decimal(18, 2))
            as percentage,
        cast(100.0 * past_odd_count / nullif(past_count, 0) as decimal(18, 2))
            as past_percentage,
        coalesce(
            total_count >= {{ var('rate_judged_from') }}
            and past_count >= {{ var('rate_judged_from') }}
            and 100.0 * odd_count / nullif(total_count, 0)
            > 100.0 * past_odd_count / nullif(past_count, 0) + allowed_percent,
            false
        ) as is_breached
    from with_past
)

select * from final
