{{ config(materialized='view') }}
-- Properties that vanished, came up or changed their type on a day, held against the
-- two weeks before it. Blank is not a value.
with

property_days as (select * from {{ ref('obs_property_days') }}),

kept as (
    select * from property_days
    where property not like 'identifiers.%'
),

records as (
    select
        source_id,
        event_name,
        received_date,
        cast(sum(value_count) as bigint) as record_count
    from kept
    where value_type = 'record'
    group by source_id, event_name, received_date
),

-- A day of these events, and those of the two weeks before.
pairs as (
    select
        today.source_id,
        today.event_name,
        today.received_date,
        today.record_count,
        earlier.received_date as past_date,
        earlier.record_count as past_records
    from records as today
    inner join records as earlier
        on
            today.source_id = earlier.source_id
            and today.event_name = earlier.event_name
            and earlier.received_date < today.received_date
            and earlier.received_date >= {{ days_before('today.received_date', 14) }}
    where today.received_date >= {{ days_before(as_of(), 1) }}
),

judged as (
    select
        source_id,
        event_name,
        received_date,
        record_count,
        cast(sum(past_records) as bigint) as past_records
    from pairs
    group by source_id, event_name, received_date, record_count
    having
        record_count >= {{ var('property_judged_from') }}
        and sum(past_records) >= {{ var('property_past_from') }}
),

values_now as (
    select
        judged.source_id,
        judged.event_name,
        judged.received_date,
        kept.property,
        kept.value_type,
        kept.value_count as now_count,
        cast(0 as bigint) as past_count
    from judged
    inner join kept
        on
            judged.source_id = kept.source_id
            and judged.event_name = kept.event_name
            and judged.received_date = kept.received_date
    where kept.value_type not in ('record', 'blank')
),

values_before as (
    select
        judged.source_id,
        judged.event_name,
        judged.received_date,
        kept.property,
        kept.value_type,
        cast(0 as bigint) as now_count,
        kept.value_count as past_count
    from judged
    inner join pairs
        on
            judged.source_id = pairs.source_id
            and judged.event_name = pairs.event_name
            and judged.received_date = pairs.received_date
    inner join kept
        on
            pairs.source_id = kept.source_id
            and pairs.event_name = kept.event_name
            and pairs.past_date = kept.received_date
    where kept.value_type not in ('record', 'blank')
),

both_times as (
    select * from values_now
    union all
    select * from values_before
),

by_type as (
    select
        source_id,
        event_name,
        received_date,
        property,
        value_type,
        sum(now_count) as now_count,
        sum(past_count) as past_count
    from both_times
    group by source_id, event_name, received_date, property, value_type
),

by_property as (
    select
        source_id,
        event_name,
        received_date,
        property,
        sum(now_count) as now_count,
        sum(past_count) as past_count
    from by_type
    group by source_id, event_name, received_date, property
),

shares as (
    select
        by_property.*,
        judged.record_count,
        judged.past_records,
        100.0 * by_property.now_count / judged.record_count as coverage_percent,
        100.0 * by_property.past_count / judged.past_records as past_coverage_percent
    from by_property
    inner join judged
        on
            by_property.source_id = judged.source_id
            and by_property.event_name = judged.event_name
            and by_property.received_date = judged.received_date
),

changes as (
    select
        shares.*,
        'vanished' as change,
        cast(null as {{ dbt.type_string() }}) as value_type
    from shares
    where
        past_coverage_percent >= {{ var('property_usual_percent') }}
        and coverage_percent < 0.1 * past_coverage_percent
    union all
    select
        shares.*,
        'new' as change,
        null as value_type
    from shares
    where
        past_count = 0 and coverage_percent >= {{ var('property_usual_percent') }}
    union all
    select
        shares.*,
        'other type' as change,
        by_type.value_type
    from shares
    inner join by_type
        on
            shares.source_id = by_type.source_id
            and shares.event_name = by_type.event_name
            and shares.received_date = by_type.received_date
            and shares.property = by_type.property
    where
        shares.past_count >= {{ var('property_past_from') }}
        and shares.now_count >= {{ var('property_judged_from') }}
        and by_type.now_count >= 0.2 * shares.now_count
        and by_type.past_count <= 0.02 * shares.past_count
),

final as (
    select
        source_id,
        event_name,
        received_date,
        property,
        change,
        value_type,
        cast(coverage_percent as decimal(18, 2)) as coverage_percent,
        cast(past_coverage_percent as decimal(18, 2)) as past_coverage_percent
    from changes
)

select * from final
