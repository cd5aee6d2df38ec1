with

session_events as (select * from {{ ref('int_session_events') }}),

sessions as (select * from {{ ref('int_sessions') }}),

events as (select * from {{ ref('fct_profile_events') }}),

own_events as (
    select
        session_events.record_id,
        sessions.session_id,
        false as is_attached
    from session_events
    inner join sessions
        on
            session_events.session_key_field = sessions.session_key_field
            and session_events.session_key = sessions.session_key
            and session_events.stretch_number = sessions.stretch_number
            and session_events.cap_number = sessions.cap_number
),

-- What servers say without a device.
server_events as (
    select
        record_id,
        profile_id,
        occurred_at
    from events
    where
        session_key is null
        and profile_id is not null
        and (is_server or channel in ('server', 'webhook'))
),

-- Sessions of the same person around it: one that contains it comes before one that
-- ended within a day before it, a later one before an earlier one.
candidates as (
    select
        server_events.record_id,
        sessions.session_id,
        row_number() over (
            partition by server_events.record_id
            order by
                case
                    when sessions.ended_at >= server_events.occurred_at then 1 else 2
                end asc,
                sessions.ended_at desc,
                sessions.started_at desc,
                sessions.session_id asc
        ) as choice
    from server_events
    inner join sessions
        on
            server_events.profile_id = sessions.profile_id
            and sessions.started_at <= server_events.occurred_at
            and sessions.ended_at >= server_events.occurred_at - interval 24 hour
    where not sessions.is_bot
),

final as (
    select
        record_id,
        session_id,
        is_attached
    from own_events
    union all
    select
        record_id,
        session_id,
        true as is_attached
    from candidates
    where choice = 1
)

select * from final
