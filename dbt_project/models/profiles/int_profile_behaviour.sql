{{ config(materialized='view') }}

with

profiles as (select * from {{ ref('int_profiles') }}),

days as (select * from {{ ref('int_profile_days') }}),

profile_products as (select * from {{ ref('int_profile_products') }}),

products as (select * from {{ ref('dim_products') }}),

events as (select * from {{ ref('int_distinct_events') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

sessions as (
    select * from {{ ref('fct_sessions') }}
    where not is_bot and started_at <= {{ as_of() }}
),

-- The days that as_of or the start of a window cuts in two; all other days lie on one
-- side of each of them.
cut_days as (
    select cast({{ as_of() }} as date) as cut_day
    union all
    select cast({{ as_of() }} - interval 7 day as date) as cut_day
    union all
    select cast({{ as_of() }} - interval 30 day as date) as cut_day
    union all
    select cast({{ as_of() }} - interval 90 day as date) as cut_day
),

-- Those few days are counted from the events themselves.
cut_events as (
    select
        record_profiles.profile_id,
        events.occurred_at,
        events.product_id
    from events
    inner join cut_days on cast(events.occurred_at as date) = cut_days.cut_day
    inner join record_profiles on events.record_id = record_profiles.record_id
    where events.occurred_at <= {{ as_of() }}
),

activity as (
    select
        days.profile_id,
        days.first_event_at,
        days.last_event_at,
        days.event_count
    from days
    left join cut_days on days.activity_date = cut_days.cut_day
    where
        days.activity_date < cast({{ as_of() }} as date)
        and cut_days.cut_day is null
    union all
    select
        profile_id,
        occurred_at as first_event_at,
        occurred_at as last_event_at,
        1 as event_count
    from cut_events
),

event_traits as (
    select
        profiles.profile_id,
        min(activity.first_event_at) as first_event_at,
        max(activity.last_event_at) as last_seen_at,
        {{ whole_days('max(activity.last_event_at)', as_of()) }}
            as days_since_last_seen,
        {{ total('activity.event_count') }} as event_count,
        {{ total_within('activity.event_count', 'activity.last_event_at', 7) }}
            as event_count_7d,
        {{ total_within('activity.event_count', 'activity.last_event_at', 30) }}
            as event_count_30d,
        {{ total_within('activity.event_count', 'activity.last_event_at', 90) }}
            as event_count_90d
    from profiles
    left join activity on profiles.profile_id = activity.profile_id
    group by profiles.profile_id
),

session_traits as (
    select
        profiles.profile_id,
        count(sessions.session_id) as session_count,
        {{ total_within(1, 'sessions.started_at', 7) }} as session_count_7d,
        {{ total_within(1, 'sessions.started_at', 30) }} as session_count_30d,
        {{ total_within(1, 'sessions.started_at', 90) }} as session_count_90d
    from profiles
    left join sessions on profiles.profile_id = sessions.profile_id
    group by profiles.profile_id
),

product_activity as (
    select
        profile_id,
        product_id,
        event_count,
        last_event_at
    from profile_products
    where activity_date < cast({{ as_of() }} as date)
    union all
    select
        profile_id,
        product_id,
        1 as event_count,
        occurred_at as last_event_at
    from cut_events
    where
        product_id is not null
        and cast(occurred_at as date) = cast({{ as_of() }} as date)
),

category_counts as (
    select
        product_activity.profile_id,
        products.category,
        sum(product_activity.event_count) as event_count,
        max(product_activity.last_event_at) as last_met_at
    from product_activity
    inner join products on product_activity.product_id = products.product_id
    where products.category is not null
    group by product_activity.profile_id, products.category
),

-- The category met most often; among equals the latest, then the first by name.
favourites as (
    select
        profile_id,
        {{ min_by('category', [
            '-event_count', '-' ~ epoch_micros('last_met_at'), 'category',
        ]) }} as favourite_category
    from category_counts
    group by profile_id
),

final as (
    select *
    from event_traits
    left join session_traits using (profile_id)
    left join favourites using (profile_id)
)

select * from final
