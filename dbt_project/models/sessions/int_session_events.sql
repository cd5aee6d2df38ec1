with

events as (select * from {{ ref('fct_profile_events') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

-- Two sources that name different fields never share a session.
keyed as (
    select
        events.record_id,
        coalesce(sources.session_key, 'anonymous_id') as session_key_field,
        events.session_key,
        events.occurred_at,
        events.profile_id,
        coalesce(events.utm_source, '') || '/' || coalesce(events.utm_medium, '')
        || '/' || coalesce(events.utm_campaign, '') as campaign
    from events
    left join sources on events.source_id = sources.source_id
    where events.session_key is not null
),

with_previous as (
    select
        *,
        row_number() over (
            partition by session_key_field, session_key
            order by occurred_at asc, record_id asc
        ) as event_number,
        lag(occurred_at) over (
            partition by session_key_field, session_key
            order by occurred_at asc, record_id asc
        ) as previous_at,
        lag(profile_id) over (
            partition by session_key_field, session_key
            order by occurred_at asc, record_id asc
        ) as previous_profile_id,
        lag(campaign) over (
            partition by session_key_field, session_key
            order by occurred_at asc, record_id asc
        ) as previous_campaign
    from keyed
),

-- Silence starts a new session, and so does a device that changes hands; a new
-- campaign does when the var says so.
with_starts as (
    select
        *,
        case
            when previous_at is null then 1
            when
                occurred_at
                >= previous_at + interval {{ var('session_gap_minutes') }} minute
                then 1
            when profile_id <> previous_profile_id then 1
            when
                {{ var('session_split_on_campaign') }}
                and campaign <> '//'
                and campaign <> previous_campaign
                then 1
            else 0
        end as is_start
    from with_previous
),

with_stretch as (
    select
        *,
        max(case when is_start = 1 then occurred_at end) over (
            partition by session_key_field, session_key
            order by event_number asc
            rows between unbounded preceding and current row
        ) as stretch_started_at,
        cast(
            sum(is_start) over (
                partition by session_key_field, session_key
                order by event_number asc
                rows between unbounded preceding and current row
            ) as bigint
        ) as stretch_number
    from with_starts
),

-- A stretch without silence is cut at the cap.
final as (
    select
        record_id,
        session_key_field,
        session_key,
        stretch_number,
        cast(
            floor(
                (
                    {{ epoch_micros('occurred_at') }}
                    - {{ epoch_micros('stretch_started_at') }}
                )
                / ({{ var('session_cap_hours') }} * 3600000000)
            ) as bigint
        ) as cap_number,
        event_number
    from with_stretch
)

select * from final
