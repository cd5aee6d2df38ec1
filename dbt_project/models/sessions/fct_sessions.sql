with

sessions as (select * from {{ ref('int_sessions') }}),

event_sessions as (
    select * from {{ ref('int_event_sessions') }}
    where is_attached
),

events as (select * from {{ ref('fct_events') }}),

-- What servers added to a session; it lengthens none.
attached as (
    select
        event_sessions.session_id,
        count(*) as event_count,
        count(case when events.order_effect = 'completed' then 1 end) as purchase_count
    from event_sessions
    inner join events on event_sessions.record_id = events.record_id
    group by event_sessions.session_id
),

final as (
    select
        sessions.session_id,
        sessions.session_key,
        sessions.anonymous_id,
        sessions.source_id,
        sessions.profile_id,
        sessions.started_at,
        sessions.ended_at,
        cast(
            floor(
                (
                    {{ epoch_micros('sessions.ended_at') }}
                    - {{ epoch_micros('sessions.started_at') }}
                ) / 1000000
            ) as bigint
        ) as duration_seconds,
        cast(sessions.event_count as bigint) as event_count,
        cast(coalesce(attached.event_count, 0) as bigint) as attached_event_count,
        cast(sessions.page_view_count as bigint) as page_view_count,
        sessions.purchase_count + coalesce(attached.purchase_count, 0) > 0
            as has_purchase,
        sessions.entry_url,
        sessions.exit_url,
        sessions.entry_path,
        sessions.exit_path,
        sessions.referrer,
        sessions.utm_source,
        sessions.utm_medium,
        sessions.utm_campaign,
        sessions.utm_term,
        sessions.utm_content,
        sessions.is_bot
    from sessions
    left join attached on sessions.session_id = attached.session_id
)

select * from final
