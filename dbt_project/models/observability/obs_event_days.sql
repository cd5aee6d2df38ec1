{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='received_date',
        on_schema_change='fail',
        meta={'touched': 'obs_touched_days'},
        post_hook="{{ remember({'stg_landing__events': '_load_id', 'stg_landing__profiles': '_load_id', 'stg_landing__rejects': '_load_id'}) }}",
    )
}}

with

landed as (select * from {{ ref('stg_landing__events') }}),

rejects as (select * from {{ ref('stg_landing__rejects') }}),

distinct_events as (select * from {{ ref('int_distinct_events') }}),

touched_days as (select * from {{ ref('obs_touched_days') }}),

arrived as (
    select
        landed.*,
        touched_days.received_date,
        case
            when landed.occurred_at < landed.received_at - interval '24' hour
                then cast(landed.occurred_at as date)
            else touched_days.received_date
        end as happened_date,
        cast(landed.flags as {{ dbt.type_string() }}) as flags_text,
        cast(
            nullif(
                regexp_extract(
                    cast(landed.flags as {{ dbt.type_string() }}),
                    'repeats:([0-9]+)',
                    1
                ),
                ''
            ) as bigint
        ) as repeat_count
    from landed
    inner join touched_days
        on cast(landed.received_at as date) = touched_days.received_date
),

-- Looked up by the event's identity and not by the record: an event that nobody holds
-- is neither accepted nor a duplicate, and the balance says so.
judged as (
    select
        arrived.*,
        coalesce(distinct_events.record_id = arrived.record_id, false) as is_accepted,
        coalesce(distinct_events.record_id <> arrived.record_id, false) as is_duplicate
    from arrived
    left join distinct_events
        on
            arrived.source_id = distinct_events.source_id
            and arrived.event_id = distinct_events.event_id
),

events_per_day as (
    select
        source_id,
        case when type = 'track' then coalesce(name, type) else type end as event_name,
        received_date,
        happened_date,
        {{ total('1 + coalesce(repeat_count, 0)') }} as received_count,
        {{ total('case when is_accepted then 1 end') }} as accepted_count,
        {{ total(
            'case when is_duplicate then 1 else 0 end + coalesce(repeat_count, 0)'
        ) }} as duplicate_count,
        cast(0 as bigint) as rejected_count,
        {{ total(
            "case when occurred_at > received_at + interval '5' minute then 1 end"
        ) }} as early_count,
        {{ total(
            "case when occurred_at < received_at - interval '30' minute then 1 end"
        ) }} as delayed_count,
        {{ total(
            "case when occurred_at < received_at - interval '24' hour then 1 end"
        ) }} as late_count,
        {{ total("case when flags_text like '%clock_corrected%' then 1 end") }}
            as corrected_count,
        {{ total("case when flags_text like '%naive_timestamp%' then 1 end") }}
            as naive_count,
        {{ total(
            "case when flags_text like '%drift:%' or flags_text like '%unknown_field%'"
            ~ " then 1 end"
        ) }} as drift_count,
        {{ total(
            'case when ' ~ identifier_of_type('identifiers', 'user_id')
            ~ ' is not null or ' ~ identifier_of_type('identifiers', 'email')
            ~ ' is not null or ' ~ identifier_of_type('identifiers', 'phone')
            ~ ' is not null then 1 end'
        ) }} as named_count,
        {{ total('case when ' ~ nth('identifiers', 1) ~ ' is null then 1 end') }}
            as nameless_count,
        {{ total('case when consent is not null then 1 end') }} as consent_count,
        {{ total("case when shape = 'trigger' then 1 end") }} as trigger_count,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at
    from judged
    group by
        source_id,
        case when type = 'track' then coalesce(name, type) else type end,
        received_date,
        happened_date
),

-- What was passed over because its source says so was not refused.
rejects_per_day as (
    select
        rejects.source_id,
        cast(null as {{ dbt.type_string() }}) as event_name,
        touched_days.received_date,
        count(*) as rejected_count,
        min(rejects.received_at) as first_received_at,
        max(rejects.received_at) as last_received_at
    from rejects
    inner join touched_days
        on cast(rejects.received_at as date) = touched_days.received_date
    where rejects.code <> 'ignored_topic'
    group by rejects.source_id, touched_days.received_date
),

final as (
    select * from events_per_day
    union all
    select
        source_id,
        event_name,
        received_date,
        received_date as happened_date,
        rejected_count as received_count,
        cast(0 as bigint) as accepted_count,
        cast(0 as bigint) as duplicate_count,
        rejected_count,
        cast(0 as bigint) as early_count,
        cast(0 as bigint) as delayed_count,
        cast(0 as bigint) as late_count,
        cast(0 as bigint) as corrected_count,
        cast(0 as bigint) as naive_count,
        cast(0 as bigint) as drift_count,
        cast(0 as bigint) as named_count,
        cast(0 as bigint) as nameless_count,
        cast(0 as bigint) as consent_count,
        cast(0 as bigint) as trigger_count,
        first_received_at,
        last_received_at
    from rejects_per_day
)

select * from final
