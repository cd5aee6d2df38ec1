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

events as (select * from {{ ref('int_distinct_events') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

touched_profiles as (select * from {{ ref('int_touched_profiles') }}),

-- What a person did per day (UTC). Nothing in here ages, so windows that move with
-- as_of are sums over few rows.
final as (
    select
        record_profiles.profile_id,
        cast(events.occurred_at as date) as activity_date,
        count(*) as event_count,
        count(case when events.event_type in ('page', 'screen') then 1 end)
            as page_view_count,
        min(events.occurred_at) as first_event_at,
        max(events.occurred_at) as last_event_at
    from events
    inner join record_profiles on events.record_id = record_profiles.record_id
    inner join touched_profiles
        on record_profiles.profile_id = touched_profiles.profile_id
    group by record_profiles.profile_id, cast(events.occurred_at as date)
)

select * from final
