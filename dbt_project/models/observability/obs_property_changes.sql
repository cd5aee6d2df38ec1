{{ config(materialized='view') }}
-- Properties that vanished, came up or changed their type today or yesterday, all of
-- them or many, held against the two weeks before. Blank is not a value.
with

property_days as (select * from {{ ref('obs_property_days') }}),

placed as (
    select
        *,
        {{ counted_date(
            "case when value_type = 'record' and happened_date < received_date"
            ~ " then value_count end",
            "case when value_type = 'record' then value_count end"
        ) }} as counted_date
    from property_days
    where property not like 'identifiers.%'
),

days as (
    select
        source_id,
        event_name,
        counted_date,
        property,
        value_type,
        cast(sum(value_count) as bigint) as value_count
    from placed
    group by source_id, event_name, counted_date, property, value_type
),

judged as (
    select
        source_id,
        event_name,
        counted_date,
        value_count as record_count
    from days
    where
        value_type = 'record'
        and value_count >= {{ var('property_judged_from') }}
        and counted_date >= {{ days_before(as_of(), 1) }}
        and counted_date <= {{ days_before(as_of(), 0) }}
),

-- What the day had, and the two weeks before it.
both_times as (
    select
        judged.source_id,
        judged.event_name,
        judged.counted_date,
        judged.record_count,
        days.property,
        days.value_type,
        sum(
            case when days.counted_date = judged.counted_date then days.value_count end
        ) as now_count,
        sum(
            case when days.counted_date < judged.counted_date then days.value_count end
        ) as past_count
    from judged
    inner join days
        on
            judged.source_id = days.source_id
            and judged.event_name = days.event_name
            and judged.counted_date >= days.counted_date
            and {{ days_before('judged.counted_date', 14) }} <= days.counted_date
    group by
        judged.source_id,
        judged.event_name,
        judged.counted_date,
        judged.record_count,
        days.property,
        days.value_type
),

past_records as (
    select
        source_id,
        event_name,
        counted_date,
        past_count as past_record_count
    from both_times
    where
        value_type = 'record' and past_count >= {{ var('property_past_from') }}
),

by_type as (
    select
        source_id,
        event_name,
        counted_date,
        record_count,
        property,
        value_type,
        coalesce(now_count, 0) as type_count,
        coalesce(past_count, 0) as past_type_count,
        sum(coalesce(now_count, 0)) over (
            partition by source_id, event_name, counted_date, property
        ) as now_count,
        sum(coalesce(past_count, 0)) over (
            partition by source_id, event_name, counted_date, property
        ) as past_count
    from both_times
    where value_type not in ('record', 'blank')
),

shares as (
    select
        by_type.*,
        1.0 * by_type.now_count / by_type.record_count as share,
        1.0 * by_type.past_count / past_records.past_record_count as past_share,
        1.0 * by_type.type_count / nullif(by_type.now_count, 0) as type_share,
        1.0 * by_type.past_type_count / nullif(by_type.past_count, 0) as past_type_share
    from by_type
    inner join past_records
        on
            by_type.source_id = past_records.source_id
            and by_type.event_name = past_records.event_name
            and by_type.counted_date = past_records.counted_date
),

-- What may be chance: one in a hundred may always be otherwise.
usual as (
    select
        *,
        least(greatest(past_share, 0.01), 0.99) as usual_share,
        least(greatest(past_type_share, 0.01), 0.99) as usual_type_share
    from shares
),

changes as (
    select distinct
        source_id,
        event_name,
        counted_date,
        property,
        'vanished' as change,
        cast(null as {{ dbt.type_string() }}) as value_type,
        share,
        past_share
    from usual
    where
        100 * past_share >= {{ var('property_usual_percent') }}
        and 100 * (past_share - share) >= {{ var('property_change_percent') }}
        and record_count * past_share - now_count
        > {{ var('property_tolerance') }}
        * sqrt(record_count * usual_share * (1 - usual_share))
    union all
    select distinct
        source_id,
        event_name,
        counted_date,
        property,
        'new' as change,
        null as value_type,
        share,
        past_share
    from usual
    where
        past_count = 0 and 100 * share >= {{ var('property_change_percent') }}
    union all
    select
        source_id,
        event_name,
        counted_date,
        property,
        'other type' as change,
        value_type,
        share,
        past_share
    from usual
    where
        past_count >= {{ var('property_past_from') }}
        and now_count >= {{ var('property_judged_from') }}
        and 100 * (type_share - past_type_share) >= {{ var('property_change_percent') }}
        and 100 * past_type_share <= {{ var('property_change_percent') }}
        and type_count - now_count * past_type_share
        > {{ var('property_tolerance') }}
        * sqrt(now_count * usual_type_share * (1 - usual_type_share))
),

final as (
    select
        source_id,
        event_name,
        counted_date,
        property,
        change,
        value_type,
        cast(100 * share as decimal(18, 2)) as coverage_percent,
        cast(100 * past_share as decimal(18, 2)) as past_coverage_percent
    from changes
)

select * from final
