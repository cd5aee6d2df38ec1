with

session_events as (select * from {{ ref('int_session_events') }}),

events as (select * from {{ ref('fct_profile_events') }}),

bot_user_agents as (select * from {{ ref('int_bot_user_agents') }}),

joined as (
    select
        session_events.session_key_field,
        session_events.session_key,
        session_events.stretch_number,
        session_events.cap_number,
        session_events.event_number,
        events.record_id,
        events.source_id,
        events.event_id,
        events.profile_id,
        events.anonymous_id,
        events.occurred_at,
        events.event_type in ('page', 'screen') as is_page_view,
        events.order_effect = 'completed' as is_purchase,
        events.page_url,
        events.page_path,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.utm_term,
        events.utm_content,
        coalesce(events.utm_source, events.utm_medium, events.utm_campaign) is not null
            as has_campaign,
        bot_user_agents.user_agent is not null as is_bot
    from session_events
    inner join events on session_events.record_id = events.record_id
    left join bot_user_agents on events.user_agent = bot_user_agents.user_agent
),

-- One row per session; what a session starts with is taken from its first event that
-- has it. The tag is that of one event, never a mixture of two.
sessions as (
    select
        session_key_field,
        session_key,
        stretch_number,
        cap_number,
        min_by(source_id, event_number) as source_id,
        min_by(event_id, event_number) as first_event_id,
        min_by(anonymous_id, event_number) filter (where anonymous_id is not null)
            as anonymous_id,
        min_by(profile_id, event_number) filter (where profile_id is not null)
            as profile_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as event_count,
        count(case when is_page_view then 1 end) as page_view_count,
        count(case when is_purchase then 1 end) as purchase_count,
        min_by(page_url, event_number) filter (where page_url is not null) as entry_url,
        max_by(page_url, event_number) filter (where page_url is not null) as exit_url,
        min_by(page_path, event_number) filter (where page_path is not null)
            as entry_path,
        max_by(page_path, event_number) filter (where page_path is not null)
            as exit_path,
        min_by(referrer, event_number) filter (where referrer <> '') as referrer,
        min(case when has_campaign then event_number end) as campaign_event_number,
        max(case when is_bot then 1 else 0 end) = 1 as is_bot
    from joined
    group by session_key_field, session_key, stretch_number, cap_number
),

-- The id is known from the key and the first event alone: who the person turns out to
-- be never renumbers a session.
final as (
    select
        {{ sha256_hex(
            "sessions.session_key_field || ':' || sessions.session_key || ':'
            || sessions.source_id || ':' || sessions.first_event_id"
        ) }} as session_id,
        sessions.session_key_field,
        sessions.session_key,
        sessions.stretch_number,
        sessions.cap_number,
        sessions.source_id,
        sessions.anonymous_id,
        sessions.profile_id,
        sessions.started_at,
        sessions.ended_at,
        sessions.event_count,
        sessions.page_view_count,
        sessions.purchase_count,
        sessions.entry_url,
        sessions.exit_url,
        sessions.entry_path,
        sessions.exit_path,
        sessions.referrer,
        campaign_events.utm_source,
        campaign_events.utm_medium,
        campaign_events.utm_campaign,
        campaign_events.utm_term,
        campaign_events.utm_content,
        sessions.is_bot
    from sessions
    left join joined as campaign_events
        on
            sessions.session_key_field = campaign_events.session_key_field
            and sessions.session_key = campaign_events.session_key
            and sessions.campaign_event_number = campaign_events.event_number
)

select * from final
