{{ config(materialized='view') }}
-- How much came on each whole day of the last two weeks, held against the same weekday
-- of the weeks before: the median, and how far days usually are from it. A mean would
-- believe the one day on which everything was sent twice.
with

event_days as (select * from {{ ref('obs_event_days') }}),

holidays as (select * from {{ ref('holidays') }}),

counted as (
    select
        source_id,
        event_name,
        received_date,
        accepted_count as event_count
    from event_days
    where event_name is not null
    union all
    select
        source_id,
        '' as event_name,
        received_date,
        accepted_count as event_count
    from event_days
    where event_name is not null
),

days as (
    select
        source_id,
        event_name,
        received_date,
        cast(sum(event_count) as bigint) as event_count
    from counted
    group by source_id, event_name, received_date
),

begun as (
    select
        source_id,
        event_name,
        min(received_date) as first_date
    from days
    group by source_id, event_name
),

ages as (
    select ages.days_ago
    from (
        values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14)
    ) as ages (days_ago)
),

weeks as (
    select weeks.weeks_ago
    from (values (1), (2), (3), (4), (5), (6), (7), (8)) as weeks (weeks_ago)
),

-- The day on which something began is no whole day.
judged as (
    select
        begun.source_id,
        begun.event_name,
        begun.first_date,
        {{ days_before(as_of(), 'ages.days_ago') }} as volume_date
    from begun
    cross join ages
),

comparable as (
    select
        judged.source_id,
        judged.event_name,
        judged.volume_date,
        {{ days_before('judged.volume_date', '7 * weeks.weeks_ago') }} as past_date
    from judged
    cross join weeks
    where
        {{ days_before('judged.volume_date', '7 * weeks.weeks_ago') }}
        > judged.first_date
),

past as (
    select
        comparable.source_id,
        comparable.event_name,
        comparable.volume_date,
        coalesce(days.event_count, 0) as event_count
    from comparable
    left join days
        on
            comparable.source_id = days.source_id
            and comparable.event_name = days.event_name
            and comparable.past_date = days.received_date
    left join holidays on comparable.past_date = holidays.holiday_date
    where holidays.holiday_date is null
),

medians as (
    select
        source_id,
        event_name,
        volume_date,
        median(event_count) as expected_count,
        count(*) as week_count
    from past
    group by source_id, event_name, volume_date
),

distances as (
    select
        past.source_id,
        past.event_name,
        past.volume_date,
        median(abs(past.event_count - medians.expected_count)) as usual_distance
    from past
    inner join medians
        on
            past.source_id = medians.source_id
            and past.event_name = medians.event_name
            and past.volume_date = medians.volume_date
    group by past.source_id, past.event_name, past.volume_date
),

-- Events come in visits, so their counts scatter like those of visits even when nothing
-- happens, and so few weeks say little about how far days usually are. 1.4826 makes of
-- the median distance what a standard deviation would be.
compared as (
    select
        judged.source_id,
        judged.event_name,
        judged.volume_date,
        judged.first_date,
        coalesce(days.event_count, 0) as event_count,
        medians.expected_count,
        coalesce(medians.week_count, 0) as week_count,
        {{ var('volume_tolerance') }} * greatest(
            1.4826 * distances.usual_distance,
            sqrt({{ var('volume_burst') }} * medians.expected_count),
            0.1 * medians.expected_count
        ) as tolerance,
        holidays.holiday_name
    from judged
    left join days
        on
            judged.source_id = days.source_id
            and judged.event_name = days.event_name
            and judged.volume_date = days.received_date
    left join medians
        on
            judged.source_id = medians.source_id
            and judged.event_name = medians.event_name
            and judged.volume_date = medians.volume_date
    left join distances
        on
            judged.source_id = distances.source_id
            and judged.event_name = distances.event_name
            and judged.volume_date = distances.volume_date
    left join holidays on judged.volume_date = holidays.holiday_date
    where judged.volume_date >= judged.first_date
),

final as (
    select
        source_id,
        nullif(event_name, '') as event_name,
        volume_date,
        event_count,
        cast(expected_count as decimal(18, 1)) as expected_count,
        cast(tolerance as decimal(18, 1)) as tolerance,
        cast(week_count as bigint) as week_count,
        case
            when week_count < {{ var('volume_weeks') }} then 'too young'
            when holiday_name is not null then 'holiday'
            when
                event_count = 0 and expected_count >= {{ var('volume_silent_from') }}
                then 'silent'
            when expected_count < {{ var('volume_judged_from') }} then 'too few'
            when event_count < expected_count - tolerance then 'low'
            when event_count > expected_count + tolerance then 'high'
            else 'as expected'
        end as verdict
    from compared
)

select * from final
