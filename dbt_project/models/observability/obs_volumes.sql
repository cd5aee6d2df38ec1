{{ config(materialized='view') }}
-- How much came on each whole day of the last two weeks, held against the same weekday
-- of the weeks before. Medians and ranks throughout: a mean would believe the one day
-- on which everything was sent twice.
with

event_days as (select * from {{ ref('obs_event_days') }}),

holidays as (select * from {{ ref('holidays') }}),

placed as (
    select
        source_id,
        event_name,
        accepted_count,
        {{ counted_date('late_count', 'received_count') }} as counted_date
    from event_days
    where event_name is not null
),

days as (
    select
        source_id,
        event_name,
        counted_date,
        cast(sum(accepted_count) as bigint) as event_count
    from placed
    group by source_id, event_name, counted_date
    union all
    select
        source_id,
        '' as event_name,
        counted_date,
        cast(sum(accepted_count) as bigint) as event_count
    from placed
    group by source_id, counted_date
),

begun as (
    select
        source_id,
        event_name,
        min(counted_date) as first_date
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

judged as (
    select
        begun.source_id,
        begun.event_name,
        begun.first_date,
        {{ days_before(as_of(), 'ages.days_ago') }} as volume_date
    from begun
    cross join ages
),

-- The day on which something began is no whole day.
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
            and comparable.past_date = days.counted_date
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

-- How far two days are apart that are a week apart. Counts of what happens by itself
-- are as far apart as the root of their sum; events come in visits, so theirs are more.
-- The last week is left out: what is wrong now would make itself usual.
pairs as (
    select
        begun.source_id,
        begun.event_name,
        {{ days_before(as_of(), '(ages.days_ago + 7 * weeks.weeks_ago)') }}
            as later_date,
        {{ days_before(as_of(), '(ages.days_ago + 7 * weeks.weeks_ago + 7)') }}
            as earlier_date
    from begun
    cross join ages
    cross join weeks
    where
        ages.days_ago <= 7
        and weeks.weeks_ago <= 7
        and {{ days_before(as_of(), '(ages.days_ago + 7 * weeks.weeks_ago + 7)') }}
        > begun.first_date
),

distances as (
    select
        pairs.source_id,
        pairs.event_name,
        abs(coalesce(later.event_count, 0) - coalesce(earlier.event_count, 0))
        / sqrt(coalesce(later.event_count, 0) + coalesce(earlier.event_count, 0))
            as distance
    from pairs
    left join days as later
        on
            pairs.source_id = later.source_id
            and pairs.event_name = later.event_name
            and pairs.later_date = later.counted_date
    left join days as earlier
        on
            pairs.source_id = earlier.source_id
            and pairs.event_name = earlier.event_name
            and pairs.earlier_date = earlier.counted_date
    left join holidays as later_holidays
        on pairs.later_date = later_holidays.holiday_date
    left join holidays as earlier_holidays
        on pairs.earlier_date = earlier_holidays.holiday_date
    where
        later_holidays.holiday_date is null
        and earlier_holidays.holiday_date is null
        and coalesce(later.event_count, 0) + coalesce(earlier.event_count, 0) > 0
),

ranked as (
    select
        source_id,
        event_name,
        distance,
        row_number() over (
            partition by source_id, event_name order by distance
        ) as place,
        count(*) over (partition by source_id, event_name) as pair_count
    from distances
),

-- What a standard deviation would be, by the median distance (1.4826) and by the one
-- that nine of ten are within (1.645), whichever is larger.
scatters as (
    select
        source_id,
        event_name,
        greatest(
            1.4826 * min(case when 2 * place >= pair_count then distance end),
            min(case when 10 * place >= 9 * pair_count then distance end) / 1.645,
            1
        ) as scatter
    from ranked
    where pair_count >= {{ var('volume_pairs') }}
    group by source_id, event_name
),

-- Of few weeks the median is itself uncertain (1.57 is its variance beside a mean's).
compared as (
    select
        judged.source_id,
        judged.event_name,
        judged.volume_date,
        coalesce(days.event_count, 0) as event_count,
        medians.expected_count,
        coalesce(medians.week_count, 0) as week_count,
        scatters.scatter,
        scatters.scatter * scatters.scatter * greatest(medians.expected_count, 1)
        * (1 + 1.57 / medians.week_count) as variance,
        holidays.holiday_name,
        coalesce(medians.week_count, 0) >= {{ var('volume_weeks') }}
        and holidays.holiday_name is null as is_comparable
    from judged
    left join days
        on
            judged.source_id = days.source_id
            and judged.event_name = days.event_name
            and judged.volume_date = days.counted_date
    left join medians
        on
            judged.source_id = medians.source_id
            and judged.event_name = medians.event_name
            and judged.volume_date = medians.volume_date
    left join scatters
        on
            judged.source_id = scatters.source_id
            and judged.event_name = scatters.event_name
    left join holidays on judged.volume_date = holidays.holiday_date
    where judged.volume_date >= judged.first_date
),

-- Of a small source one day says little; seven of them say more.
with_weeks as (
    select
        *,
        sum(case when is_comparable then event_count end) over (
            partition by source_id, event_name
            order by volume_date
            rows between 6 preceding and current row
        ) as last_count,
        sum(case when is_comparable then expected_count end) over (
            partition by source_id, event_name
            order by volume_date
            rows between 6 preceding and current row
        ) as last_expected,
        sum(case when is_comparable then variance end) over (
            partition by source_id, event_name
            order by volume_date
            rows between 6 preceding and current row
        ) as last_variance
    from compared
),

bounded as (
    select
        *,
        least(
            {{ var('volume_low_share') }} * expected_count,
            expected_count - {{ var('volume_low_tolerance') }} * sqrt(variance)
        ) as least_count,
        greatest(
            {{ var('volume_high_share') }} * expected_count,
            expected_count + {{ var('volume_high_tolerance') }} * sqrt(variance)
        ) as most_count,
        event_count < {{ var('volume_low_share') }} * expected_count
        and last_count < least(
            {{ var('volume_low_share') }} * last_expected,
            last_expected - {{ var('volume_low_tolerance') }} * sqrt(last_variance)
        ) as is_low_for_long,
        event_count > {{ var('volume_high_share') }} * expected_count
        and last_count > greatest(
            {{ var('volume_high_share') }} * last_expected,
            last_expected + {{ var('volume_high_tolerance') }} * sqrt(last_variance)
        ) as is_high_for_long
    from with_weeks
),

final as (
    select
        source_id,
        nullif(event_name, '') as event_name,
        volume_date,
        event_count,
        cast(expected_count as decimal(18, 1)) as expected_count,
        cast(greatest(least_count, 0) as decimal(18, 1)) as least_count,
        cast(most_count as decimal(18, 1)) as most_count,
        cast(week_count as bigint) as week_count,
        case
            when holiday_name is not null then 'holiday'
            when not is_comparable or scatter is null then 'too young'
            when event_count = 0 and (least_count > 0 or is_low_for_long) then 'silent'
            when event_count < least_count or is_low_for_long then 'low'
            when last_expected < {{ var('volume_judged_from') }} then 'too few'
            when event_count > most_count or is_high_for_long then 'high'
            else 'as expected'
        end as verdict
    from bounded
)

select * from final
