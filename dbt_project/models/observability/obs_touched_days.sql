{{ config(post_hook="{{ remember_run() }}") }}

with

landed as (select * from {{ ref('stg_landing__events') }}),

extract_rows as (select * from {{ ref('stg_landing__profiles') }}),

rejects as (select * from {{ ref('stg_landing__rejects') }}),

arrived as (
    select
        record_id,
        source_id,
        event_id,
        received_at
    from landed
    where _load_id > {{ seen_by_consumers('stg_landing__events') }}
),

-- A smaller record that comes late takes an event away from the day that had it.
overtaking as (
    select
        source_id,
        event_id
    from arrived
    where
        record_id < (
            select max(record_id) from landed
            where _load_id <= {{ seen_by_consumers('stg_landing__events') }}
        )
),

touched as (
    select cast(received_at as date) as received_date from arrived
    union all
    select cast(landed.received_at as date) as received_date
    from landed
    inner join overtaking
        on
            landed.source_id = overtaking.source_id
            and landed.event_id = overtaking.event_id
    union all
    select cast(received_at as date) as received_date
    from extract_rows
    where _load_id > {{ seen_by_consumers('stg_landing__profiles') }}
    union all
    select cast(received_at as date) as received_date
    from rejects
    where _load_id > {{ seen_by_consumers('stg_landing__rejects') }}
),

final as (
    select distinct received_date from touched
)

select * from final
