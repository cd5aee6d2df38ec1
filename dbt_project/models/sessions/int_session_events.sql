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

profile_events as (select * from {{ ref('fct_profile_events') }}),

distinct_events as (select * from {{ ref('int_distinct_events') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

blocked_identifiers as (select * from {{ ref('blocked_identifiers') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

timed_records as (select * from {{ ref('int_timed_records') }}),

touched as (select * from {{ ref('int_touched_sessions') }}),

{% if is_incremental() %}
new_events as (
    select record_id from {{ ref('int_distinct_events') }}
    where _load_id > {{ seen('int_session_events', 'int_distinct_events') }}
),

-- All events of the touched keys: those that were placed before and those that are new.
touched_events as (
    select record_id
    from {{ this }}
    where session_key_id in (select session_key_id from touched)
    union
    select record_id
    from new_events
),

chosen as (
    select * from distinct_events
    where record_id in (select record_id from touched_events)
),

meant as (
    {{ events_with_meaning('chosen') }}
),

keyed as (
    select * from meant
    where session_key_id is not null
),

events as (
    {{ events_with_profile('keyed') }}
),
{% else %}
events as (
    select * from profile_events
    where session_key_id is not null
),
{% endif %}

with_campaign as (
    select
        record_id,
        session_key_id,
        occurred_at,
        profile_id,
        case
            when {{ var('session_split_on_campaign') }}
                then nullif(
                    coalesce(utm_source, '') || '/' || coalesce(utm_medium, '')
                    || '/' || coalesce(utm_campaign, ''),
                    '//'
                )
        end as campaign
    from events
),

-- An event of nobody, or without a campaign, changes neither.
with_previous as (
    select
        *,
        row_number() over (
            partition by session_key_id
            order by occurred_at asc, record_id asc
        ) as event_number,
        lag(occurred_at) over (
            partition by session_key_id
            order by occurred_at asc, record_id asc
        ) as previous_at,
        {{ last_known('profile_id') }} over (
            partition by session_key_id
            order by occurred_at asc, record_id asc
            rows between unbounded preceding and 1 preceding
        ) as previous_profile_id,
        {{ last_known('campaign') }} over (
            partition by session_key_id
            order by occurred_at asc, record_id asc
            rows between unbounded preceding and 1 preceding
        ) as previous_campaign
    from with_campaign
),

-- Silence starts a new session, and so does a device that changes hands; a new
-- campaign does when the var says so.
with_starts as (
    select
        record_id,
        session_key_id,
        occurred_at,
        profile_id,
        event_number,
        case
            when previous_at is null then 1
            when
                occurred_at
                >= previous_at + interval {{ var('session_gap_minutes') }} minute
                then 1
            when profile_id <> previous_profile_id then 1
            when campaign <> coalesce(previous_campaign, '') then 1
            else 0
        end as is_start
    from with_previous
),

with_stretch as (
    select
        record_id,
        session_key_id,
        occurred_at,
        profile_id,
        event_number,
        max(case when is_start = 1 then occurred_at end) over (
            partition by session_key_id
            order by event_number asc
            rows between unbounded preceding and current row
        ) as stretch_started_at,
        count(case when is_start = 1 then 1 end) over (
            partition by session_key_id
            order by event_number asc
            rows between unbounded preceding and current row
        ) as stretch_number
    from with_starts
),

-- A stretch without silence is cut at the cap.
final as (
    select
        record_id,
        session_key_id,
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
        event_number,
        profile_id
    from with_stretch
)

select * from final
