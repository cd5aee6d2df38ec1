{{ config(post_hook="{{ remember_run() }}") }}

with

events as (select * from {{ ref('fct_events') }}),

profile_events as (select * from {{ ref('fct_profile_events') }}),

profile_touches as (select * from {{ ref('int_profile_touches') }}),

-- What the later models hold is read before they replace it.
held_events as (
    {{ held(
        'int_session_events',
        'select record_id, session_key_id, profile_id from profile_events where 1 = 0'
    ) }}
),

held_sessions as (
    {{ held(
        'int_sessions',
        'select session_key_id, profile_id from profile_events where 1 = 0'
    ) }}
),

held_server_events as (
    {{ held(
        'int_server_events', 'select profile_id as holder from profile_events where 1 = 0'
    ) }}
),

touched_profiles as (
    select profile_id
    from profile_touches
    where _touch_id > {{ seen_by_consumers('int_profile_touches', '_touch_id') }}
),

-- What was nobody's and is so no more: it is now somebody's, or a smaller record of
-- the same event took its place.
events_of_nobody as (
    select
        record_id,
        session_key_id
    from held_events
    where profile_id is null
),

events_of_nobody_now as (
    select
        record_id,
        profile_id
    from profile_events
    where record_id in (select record_id from events_of_nobody)
),

touched_keys as (
    select session_key_id
    from events
    where
        session_key_id is not null
        and _load_id > {{ seen_by_consumers('int_distinct_events') }}
    union
    select session_key_id
    from held_sessions
    where
        profile_id in (select profile_id from touched_profiles)
        or {{ seen_by_consumers('int_distinct_events') }} = 0
    union
    select events_of_nobody.session_key_id
    from events_of_nobody
    left join events_of_nobody_now
        on events_of_nobody.record_id = events_of_nobody_now.record_id
    where
        events_of_nobody_now.record_id is null
        or events_of_nobody_now.profile_id is not null
),

-- Whose server events may belong to another session now: of whoever was touched, and
-- of whoever shares a device with them. Nobody's may have become somebody's.
touched_holders as (
    select profile_id as holder from touched_profiles
    union
    select profile_id as holder
    from held_sessions
    where session_key_id in (select session_key_id from touched_keys)
    union
    select '' as holder
    union
    select holder
    from held_server_events
    where {{ seen_by_consumers('int_distinct_events') }} = 0
),

final as (
    select
        session_key_id,
        cast(null as {{ dbt.type_string() }}) as holder
    from touched_keys
    union all
    select
        cast(null as bigint) as session_key_id,
        holder
    from touched_holders
    where holder is not null
)

select * from final
