{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='holder',
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

sessions as (select * from {{ ref('int_sessions') }}),

session_traffic as (select * from {{ ref('int_session_traffic') }}),

conversion_events as (select * from {{ ref('conversion_events') }}),

touched as (select * from {{ ref('int_touched_sessions') }}),

{% if is_incremental() %}
new_events as (
    select record_id from {{ ref('int_distinct_events') }}
    where _load_id > {{ seen('int_server_events', 'int_distinct_events') }}
),

touched_events as (
    select record_id
    from {{ this }}
    where holder in (select holder from touched)
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

unplaced as (
    select * from meant
    where session_key_id is null and is_server
),

events as (
    {{ events_with_profile('unplaced') }}
),
{% else %}
events as (
    select * from profile_events
    where session_key_id is null and is_server
),
{% endif %}

-- What servers say without a device.
server_events as (
    select
        events.record_id,
        coalesce(events.profile_id, '') as holder,
        events.occurred_at,
        case when events.order_effect = 'completed' then events.order_id end
            as completed_order_id,
        events.order_effect = 'completed' as is_purchase,
        conversion_events.canonical_name is not null
        and not (
            coalesce(events.order_effect, '') = 'completed'
            and events.order_id is not null
        ) as is_other_conversion
    from events
    left join conversion_events
        on events.canonical_name = conversion_events.canonical_name
),

-- A robot's session is nobody's.
visits as (
    select
        sessions.session_id,
        sessions.profile_id,
        sessions.started_at,
        sessions.ended_at
    from sessions
    inner join session_traffic on sessions.session_id = session_traffic.session_id
    where
        not session_traffic.is_bot
        and sessions.profile_id in (select server_events.holder from server_events)
),

-- Sessions of the same person around it: one that contains it comes before one that
-- ended within a day before it, a later one before an earlier one.
candidates as (
    select
        server_events.record_id,
        visits.session_id,
        row_number() over (
            partition by server_events.record_id
            order by
                case
                    when visits.ended_at >= server_events.occurred_at then 1 else 2
                end asc,
                visits.ended_at desc,
                visits.started_at desc,
                visits.session_id asc
        ) as choice
    from server_events
    inner join visits
        on
            server_events.holder = visits.profile_id
            and visits.started_at <= server_events.occurred_at
            and visits.ended_at >= server_events.occurred_at - interval 24 hour
),

final as (
    select
        server_events.record_id,
        server_events.holder,
        candidates.session_id,
        server_events.completed_order_id,
        server_events.is_purchase,
        server_events.is_other_conversion
    from server_events
    left join candidates
        on
            server_events.record_id = candidates.record_id
            and candidates.choice = 1
)

select * from final
