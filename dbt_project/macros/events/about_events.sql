{#
  What the seeds say about the events of a CTE, which are rows of int_distinct_events. The model imports event_taxonomy,
  blocked_identifiers and sources. fct_events says it of all events; a model that needs some of them picks these first
  and asks then, because no engine does so for a view.
#}
{% macro events_with_meaning(events) %}
    with

    -- What the seeds say about an event stays out of the stored rows, so that an edited
    -- seed is true for all of history at once.
    with_meaning as (
        select
            {{ events }}.*,
            by_name.order_effect,
            coalesce(
                by_name.canonical_name,
                by_type.canonical_name,
                replace({{ events }}.event_name_key, ' ', '_')
            ) as canonical_name,
            coalesce(sources.is_server, {{ events }}.channel in ('server', 'webhook'))
                as is_server,
            coalesce(sources.session_key, 'anonymous_id') as session_key_field
        from {{ events }}
        left join event_taxonomy as by_name
            on
                {{ events }}.event_type = by_name.event_type
                and {{ events }}.event_name_key = by_name.event_name
        left join event_taxonomy as by_type
            on {{ events }}.event_type = by_type.event_type and by_type.event_name = '*'
        left join sources on {{ events }}.source_id = sources.source_id
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
    with_checked_key as (
        select
            with_session_key.*,
            case
                when
                    blocked_identifiers.blocked_value is null
                    and translate(with_session_key.given_session_key, '0- ', '') <> ''
                    then with_session_key.given_session_key
            end as session_key
        from with_session_key
        left join blocked_identifiers
            on
                blocked_identifiers.identifier_type = '*'
                and blocked_identifiers.match = 'exact'
                and lower(with_session_key.given_session_key)
                = blocked_identifiers.blocked_value
    )

    -- Two sources that name different fields never share a session.
    select
        record_id,
        source_id,
        event_id,
        event_type,
        event_name,
        canonical_name,
        order_effect,
        occurred_at,
        received_at,
        original_timestamp,
        sent_at,
        channel,
        is_server,
        anonymous_id,
        user_id,
        session_key,
        case
            when session_key is not null
                then {{ hash_bigint("session_key_field || ':' || session_key") }}
        end as session_key_id,
        order_id,
        subscription_id,
        product_id,
        currency,
        value,
        page_url,
        page_path,
        page_title,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        user_agent,
        campaign_tags,
        kept_campaign,
        identifiers,
        identifier_set_id,
        properties,
        traits,
        context,
        consent,
        _load_id
    from with_checked_key
{% endmacro %}

{# Whose the events of a CTE are. The model imports set_profiles and timed_records. #}
{% macro events_with_profile(events) %}
    select
        {{ events }}.*,
        case
            when set_profiles.is_by_time then timed_records.profile_id
            else set_profiles.profile_id
        end as profile_id
    from {{ events }}
    left join set_profiles
        on {{ events }}.identifier_set_id = set_profiles.identifier_set_id
    left join timed_records on {{ events }}.record_id = timed_records.record_id
{% endmacro %}
