{{ config(materialized='view') }}
-- What share of a source's day, and of each of its events, was repeated, refused,
-- early, delayed or nameless, held against the two weeks before. What is usual for a
-- source is no fault of the day, and what chance does now and then neither.
with

event_days as (select * from {{ ref('obs_event_days') }}),

placed as (
    select
        *,
        {{ counted_date('late_count', 'received_count') }} as counted_date
    from event_days
),

-- Nobody knows which event a refused call would have been.
levels as (
    select
        placed.*,
        '' as level
    from placed
    union all
    select
        placed.*,
        placed.event_name as level
    from placed
    where placed.event_name is not null
),

source_days as (
    select
        source_id,
        level,
        counted_date,
        sum(received_count) as received_count,
        sum(received_count - rejected_count) as landed_count,
        sum(duplicate_count) as duplicate_count,
        sum(rejected_count) as rejected_count,
        sum(early_count) as early_count,
        sum(delayed_count) as delayed_count,
        sum(nameless_count) as nameless_count
    from levels
    group by source_id, level, counted_date
),

measured as (
    select
        source_id,
        level,
        counted_date,
        'duplicates' as measure,
        duplicate_count as odd_count,
        landed_count as total_count,
        {{ var('rate_duplicates_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        level,
        counted_date,
        'rejects' as measure,
        rejected_count as odd_count,
        received_count as total_count,
        {{ var('rate_rejects_percent') }} as allowed_percent
    from source_days
    where level = ''
    union all
    select
        source_id,
        level,
        counted_date,
        'early' as measure,
        early_count as odd_count,
        landed_count as total_count,
        {{ var('rate_clock_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        level,
        counted_date,
        'delayed' as measure,
        delayed_count as odd_count,
        landed_count as total_count,
        {{ var('rate_clock_percent') }} as allowed_percent
    from source_days
    union all
    select
        source_id,
        level,
        counted_date,
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
            partition by source_id, level, measure
            order by counted_date
            rows between 14 preceding and 1 preceding
        ) as past_odd_count,
        sum(total_count) over (
            partition by source_id, level, measure
            order by counted_date
            rows between 14 preceding and 1 preceding
        ) as past_count
    from measured
),

-- One in a hundred may always be so.
with_shares as (
    select
        *,
        1.0 * odd_count / nullif(total_count, 0) as share,
        1.0 * past_odd_count / nullif(past_count, 0) as past_share,
        least(greatest(1.0 * past_odd_count / nullif(past_count, 0), 0.01), 0.99)
            as usual_share
    from with_past
),

final as (
    select
        source_id,
        nullif(level, '') as event_name,
        measure,
        counted_date,
        cast(odd_count as bigint) as odd_count,
        cast(total_count as bigint) as total_count,
        cast(100.0 * share as decimal(18, 2)) as percentage,
        cast(100.0 * past_share as decimal(18, 2)) as past_percentage,
        coalesce(
            total_count >= {{ var('rate_judged_from') }}
            and past_count >= {{ var('rate_past_from') }}
            and odd_count >= {{ var('rate_odd_from') }}
            and 100.0 * (share - past_share) > allowed_percent
            and odd_count - usual_share * total_count
            > {{ var('rate_tolerance') }}
            * sqrt(total_count * usual_share * (1 - usual_share)),
            false
        ) as is_breached
    from with_shares
)

select * from final
