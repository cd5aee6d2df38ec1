with

events as (select * from {{ ref('fct_profile_events') }}),

-- What a person did per day (UTC). Nothing in here ages, so windows that move with
-- as_of are sums over few rows.
final as (
    select
        profile_id,
        cast(occurred_at as date) as activity_date,
        count(*) as event_count,
        count(case when event_type in ('page', 'screen') then 1 end)
            as page_view_count,
        min(occurred_at) as first_event_at,
        max(occurred_at) as last_event_at
    from events
    where profile_id is not null
    group by profile_id, cast(occurred_at as date)
)

select * from final
