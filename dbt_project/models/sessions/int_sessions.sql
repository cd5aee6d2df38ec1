{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='session_key_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_sessions'},
        post_hook="{{ remember({
            'int_distinct_events': '_load_id',
            'int_profile_touches': '_touch_id',
        }) }}",
    )
}}

with

all_events as (select * from {{ ref('fct_events') }}),

distinct_events as (select * from {{ ref('int_distinct_events') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

touched as (select * from {{ ref('int_touched_sessions') }}),

session_events as (
    select * from {{ ref('int_session_events') }}
    {% if is_incremental() %}
    where session_key_id in (select touched.session_key_id from touched)
    {% endif %}
),

conversion_events as (select * from {{ ref('conversion_events') }}),

{% if is_incremental() %}
chosen as (
    select * from distinct_events
    where record_id in (select session_events.record_id from session_events)
),

events as (
    {{ events_with_meaning('chosen') }}
),
{% else %}
events as (select * from all_events),
{% endif %}

joined as (
    select
        session_events.session_key_id,
        session_events.stretch_number,
        session_events.cap_number,
        session_events.event_number,
        session_events.profile_id,
        events.session_key,
        events.source_id,
        events.event_id,
        events.anonymous_id,
        events.occurred_at,
        events.event_type in ('page', 'screen')
        or events.canonical_name in ('page_viewed', 'screen_viewed') as is_page_view,
        case when events.order_effect = 'completed' then events.order_id end
            as completed_order_id,
        conversion_events.canonical_name is not null
        and not (
            coalesce(events.order_effect, '') = 'completed'
            and events.order_id is not null
        ) as is_other_conversion,
        events.order_effect = 'completed' as is_purchase,
        events.page_url,
        events.page_path,
        events.referrer,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.utm_term,
        events.utm_content,
        events.campaign_tags,
        events.kept_campaign,
        events.user_agent,
        coalesce(
            events.utm_source,
            events.utm_medium,
            events.utm_campaign,
            nullif(events.campaign_tags, '{}')
        ) is not null as has_campaign
    from session_events
    inner join events on session_events.record_id = events.record_id
    left join conversion_events
        on events.canonical_name = conversion_events.canonical_name
),

-- One row per session; what a session starts with is taken from its first event that
-- has it. The tags are those of one event, never a mixture of two: an engine that skips
-- NULLs sees none.
sessions as (
    select
        session_key_id,
        stretch_number,
        cap_number,
        min(session_key) as session_key,
        min_by(source_id, event_number) as source_id,
        min_by(event_id, event_number) as first_event_id,
        min_by(anonymous_id, event_number) filter (where anonymous_id is not null)
            as anonymous_id,
        min(profile_id) as profile_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as event_count,
        count(case when is_page_view then 1 end) as page_view_count,
        count(case when is_purchase then 1 end) as purchase_count,
        count(case when is_other_conversion then 1 end) as other_conversion_count,
        count(distinct completed_order_id) as completed_order_count,
        array_sort(
            array_agg(distinct completed_order_id)
            filter (where completed_order_id is not null)
        ) as completed_order_ids,
        min_by(page_url, event_number) filter (where page_url is not null) as entry_url,
        max_by(page_url, event_number) filter (where page_url is not null) as exit_url,
        min_by(page_path, event_number) filter (where page_path is not null)
            as entry_path,
        max_by(page_path, event_number) filter (where page_path is not null)
            as exit_path,
        min_by(referrer, event_number) filter (where referrer <> '') as referrer,
        min_by(coalesce(page_url, ''), event_number)
        filter (where has_campaign) as campaign_url,
        min_by(coalesce(utm_source, ''), event_number)
        filter (where has_campaign) as utm_source,
        min_by(coalesce(utm_medium, ''), event_number)
        filter (where has_campaign) as utm_medium,
        min_by(coalesce(utm_campaign, ''), event_number)
        filter (where has_campaign) as utm_campaign,
        min_by(coalesce(utm_term, ''), event_number)
        filter (where has_campaign) as utm_term,
        min_by(coalesce(utm_content, ''), event_number)
        filter (where has_campaign) as utm_content,
        min_by(coalesce(campaign_tags, ''), event_number)
        filter (where has_campaign) as campaign_tags,
        min_by(kept_campaign, event_number) filter (where kept_campaign is not null)
            as kept_campaign,
        min_by(user_agent, event_number) filter (where user_agent is not null)
            as user_agent
    from joined
    group by session_key_id, stretch_number, cap_number
),

-- The id is known from the key and the first event alone: who the person turns out to
-- be never renumbers a session.
final as (
    select
        {{ sha256_hex(
            "cast(session_key_id as " ~ dbt.type_string() ~ ") || ':' || source_id || ':' || first_event_id"
        ) }} as session_id,
        session_key_id,
        stretch_number,
        cap_number,
        session_key,
        source_id,
        anonymous_id,
        profile_id,
        started_at,
        ended_at,
        event_count,
        page_view_count,
        purchase_count,
        other_conversion_count,
        completed_order_count,
        completed_order_ids,
        entry_url,
        exit_url,
        entry_path,
        exit_path,
        referrer,
        nullif(
            lower(
                regexp_extract(referrer, '^[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#:]+)', 1)
            ),
            ''
        ) as referrer_host,
        nullif(
            lower(
                regexp_extract(entry_url, '^[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#:]+)', 1)
            ),
            ''
        ) as own_host,
        coalesce(nullif(campaign_url, ''), entry_url) as tagged_url,
        nullif(utm_source, '') as utm_source,
        nullif(utm_medium, '') as utm_medium,
        nullif(utm_campaign, '') as utm_campaign,
        nullif(utm_term, '') as utm_term,
        nullif(utm_content, '') as utm_content,
        nullif(campaign_tags, '') as campaign_tags,
        kept_campaign,
        user_agent
    from sessions
)

select * from final
