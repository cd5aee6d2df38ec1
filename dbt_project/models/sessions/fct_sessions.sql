{{ config(materialized='view') }}

with

sessions as (select * from {{ ref('int_sessions') }}),

session_origins as (select * from {{ ref('int_session_origins') }}),

session_traffic as (select * from {{ ref('int_session_traffic') }}),

server_events as (
    select * from {{ ref('int_server_events') }}
    where session_id is not null
),

-- An order that its own events tell of is not counted again when a server does.
attached as (
    select
        server_events.session_id,
        count(*) as event_count,
        count(case when server_events.is_purchase then 1 end) as purchase_count,
        count(
            distinct case
                when
                    not coalesce(
                        array_contains(
                            sessions.completed_order_ids,
                            server_events.completed_order_id
                        ),
                        false
                    )
                    then server_events.completed_order_id
            end
        ) as order_count,
        count(case when server_events.is_other_conversion then 1 end)
            as other_conversion_count
    from server_events
    inner join sessions on server_events.session_id = sessions.session_id
    group by server_events.session_id
),

counted as (
    select
        sessions.session_id,
        cast(
            floor(
                (
                    {{ epoch_micros('sessions.ended_at') }}
                    - {{ epoch_micros('sessions.started_at') }}
                ) / 1000000
            ) as bigint
        ) as duration_seconds,
        cast(coalesce(attached.event_count, 0) as bigint) as attached_event_count,
        sessions.purchase_count + coalesce(attached.purchase_count, 0) > 0
            as has_purchase,
        cast(
            sessions.completed_order_count
            + coalesce(attached.order_count, 0)
            + sessions.other_conversion_count
            + coalesce(attached.other_conversion_count, 0)
            as bigint
        ) as conversion_count
    from sessions
    left join attached on sessions.session_id = attached.session_id
),

-- Engaged as GA4 documents it: ten seconds, a conversion, or two pages.
final as (
    select
        sessions.session_id,
        sessions.session_key,
        sessions.anonymous_id,
        sessions.source_id,
        sessions.profile_id,
        sessions.started_at,
        sessions.ended_at,
        counted.duration_seconds,
        cast(sessions.event_count as bigint) as event_count,
        counted.attached_event_count,
        cast(sessions.page_view_count as bigint) as page_view_count,
        counted.conversion_count,
        counted.has_purchase,
        counted.duration_seconds >= {{ var('engaged_after_seconds') }}
        or counted.conversion_count > 0
        or sessions.page_view_count >= 2 as is_engaged,
        sessions.entry_url,
        sessions.exit_url,
        sessions.entry_path,
        sessions.exit_path,
        sessions.referrer,
        session_traffic.channel,
        session_origins.source,
        session_origins.medium,
        session_origins.campaign,
        session_origins.decided_by as channel_decided_by,
        sessions.utm_source,
        sessions.utm_medium,
        sessions.utm_campaign,
        sessions.utm_term,
        sessions.utm_content,
        {{ json_text('sessions.kept_campaign', '$.source') }} as kept_source,
        {{ json_text('sessions.kept_campaign', '$.medium') }} as kept_medium,
        {{ json_text('sessions.kept_campaign', '$.name') }} as kept_campaign,
        try_cast(
            {{ json_text('sessions.kept_campaign', '$.timestamp') }} as timestamp
        ) as kept_campaign_at,
        session_traffic.is_bot
    from sessions
    inner join counted on sessions.session_id = counted.session_id
    inner join session_origins on sessions.session_id = session_origins.session_id
    inner join session_traffic on sessions.session_id = session_traffic.session_id
)

select * from final
