{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='profile_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_profiles'},
        post_hook="{{ remember({'int_profile_touches': '_touch_id'}) }}",
    )
}}

with

events as (
    select * from {{ ref('int_distinct_events') }}
    where product_id is not null
),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

touched_profiles as (select * from {{ ref('int_touched_profiles') }}),

-- Which products a person dealt with, and when. What category they are in is the
-- catalogue's to say, and looked up when it is asked for.
final as (
    select
        record_profiles.profile_id,
        events.product_id,
        cast(events.occurred_at as date) as activity_date,
        count(*) as event_count,
        max(events.occurred_at) as last_event_at
    from events
    inner join record_profiles on events.record_id = record_profiles.record_id
    inner join touched_profiles
        on record_profiles.profile_id = touched_profiles.profile_id
    group by
        record_profiles.profile_id, events.product_id, cast(events.occurred_at as date)
)

select * from final
