{{ config(materialized='view') }}

with

days as (select * from {{ ref('int_profile_days') }}),

events as (select * from {{ ref('fct_profile_events') }}),

sessions as (
    select * from {{ ref('fct_sessions') }}
    where not is_bot and profile_id is not null and started_at <= {{ as_of() }}
),

categories as (
    select * from {{ ref('int_profile_categories') }}
    where occurred_at <= {{ as_of() }}
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
        events.profile_id,
        events.occurred_at as first_event_at,
        events.occurred_at as last_event_at,
        1 as event_count
    from events
    inner join cut_days on cast(events.occurred_at as date) = cut_days.cut_day
    where events.profile_id is not null and events.occurred_at <= {{ as_of() }}
),

event_counts as (
    select
        profile_id,
        min(first_event_at) as first_event_at,
        max(last_event_at) as last_event_at,
        cast(sum(event_count) as bigint) as event_count,
        cast(
            sum(
                case
                    when last_event_at > {{ as_of() }} - interval 7 day
                        then event_count
                    else 0
                end
            ) as bigint
        ) as event_count_7d,
        cast(
            sum(
                case
                    when last_event_at > {{ as_of() }} - interval 30 day
                        then event_count
                    else 0
                end
            ) as bigint
        ) as event_count_30d,
        cast(
            sum(
                case
                    when last_event_at > {{ as_of() }} - interval 90 day
                        then event_count
                    else 0
                end
            ) as bigint
        ) as event_count_90d
    from activity
    group by profile_id
),

session_counts as (
    select
        profile_id,
        count(*) as session_count,
        count(case when started_at > {{ as_of() }} - interval 7 day then 1 end)
            as session_count_7d,
        count(case when started_at > {{ as_of() }} - interval 30 day then 1 end)
            as session_count_30d,
        count(case when started_at > {{ as_of() }} - interval 90 day then 1 end)
            as session_count_90d
    from sessions
    group by profile_id
),

category_counts as (
    select
        profile_id,
        category,
        sum(event_count) as event_count,
        max(occurred_at) as last_seen_at
    from categories
    group by profile_id, category
),

-- The category met most often; among equals the latest, then the first by name.
favourites as (
    select
        profile_id,
        category,
        row_number() over (
            partition by profile_id
            order by event_count desc, last_seen_at desc, category asc
        ) as choice
    from category_counts
),

final as (
    select
        event_counts.*,
        coalesce(session_counts.session_count, 0) as session_count,
        coalesce(session_counts.session_count_7d, 0) as session_count_7d,
        coalesce(session_counts.session_count_30d, 0) as session_count_30d,
        coalesce(session_counts.session_count_90d, 0) as session_count_90d,
        favourites.category as favourite_category
    from event_counts
    left join session_counts on event_counts.profile_id = session_counts.profile_id
    left join favourites
        on event_counts.profile_id = favourites.profile_id and favourites.choice = 1
)

select * from final
