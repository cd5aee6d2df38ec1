{{ config(materialized='view') }}

with

events as (select * from {{ ref('int_distinct_events') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

-- What the seeds say about an event stays out of the stored rows, so that an edited
-- seed is true for all of history at once.
with_meaning as (
    select
        events.*,
        by_name.order_effect,
        coalesce(
            by_name.canonical_name,
            by_type.canonical_name,
            replace(events.event_name_key, ' ', '_')
        ) as canonical_name,
        coalesce(sources.is_server, events.channel in ('server', 'webhook'))
            as is_server,
        coalesce(sources.session_key, 'anonymous_id') as session_key_field
    from events
    left join event_taxonomy as by_name
        on
            events.event_type = by_name.event_type
            and events.event_name_key = by_name.event_name
    left join event_taxonomy as by_type
        on events.event_type = by_type.event_type and by_type.event_name = '*'
    left join sources on events.source_id = sources.source_id
),

with_session_key as (
    select
        *,
        case session_key_field
            when 'anonymous_id' then anonymous_id
            when 'user_id' then user_id
            else {{ json_text_at('properties', "'$.' || session_key_field") }}
        end as given_session_key
    from with_meaning
),

-- A blank is nobody's session.
final as (
    select
        with_session_key.record_id,
        with_session_key.source_id,
        with_session_key.event_id,
        with_session_key.event_type,
        with_session_key.event_name,
        with_session_key.canonical_name,
        with_session_key.order_effect,
        with_session_key.occurred_at,
        with_session_key.received_at,
        with_session_key.original_timestamp,
        with_session_key.sent_at,
        with_session_key.channel,
        with_session_key.is_server,
        with_session_key.anonymous_id,
        with_session_key.user_id,
        case
            when
                blocked_identifiers.blocked_value is null
                and translate(with_session_key.given_session_key, '0- ', '') <> ''
                then with_session_key.given_session_key
        end as session_key,
        with_session_key.order_id,
        with_session_key.subscription_id,
        with_session_key.product_id,
        with_session_key.currency,
        with_session_key.value,
        with_session_key.page_url,
        with_session_key.page_path,
        with_session_key.page_title,
        with_session_key.referrer,
        with_session_key.utm_source,
        with_session_key.utm_medium,
        with_session_key.utm_campaign,
        with_session_key.utm_term,
        with_session_key.utm_content,
        with_session_key.user_agent,
        with_session_key.campaign_tags,
        with_session_key.kept_campaign,
        with_session_key.identifiers,
        with_session_key.identifier_set_id,
        with_session_key.properties,
        with_session_key.traits,
        with_session_key.context,
        with_session_key.consent,
        with_session_key._load_id
    from with_session_key
    left join blocked_identifiers
        on
            blocked_identifiers.identifier_type = '*'
            and blocked_identifiers.match = 'exact'
            and lower(with_session_key.given_session_key)
            = blocked_identifiers.blocked_value
)

select * from final
