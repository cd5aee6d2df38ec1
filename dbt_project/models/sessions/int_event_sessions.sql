{{ config(materialized='view') }}

with

session_events as (select * from {{ ref('int_session_events') }}),

sessions as (select * from {{ ref('int_sessions') }}),

server_events as (select * from {{ ref('int_server_events') }}),

final as (
    select
        session_events.record_id,
        sessions.session_id,
        false as is_attached
    from session_events
    inner join sessions
        on
            session_events.session_key_id = sessions.session_key_id
            and session_events.stretch_number = sessions.stretch_number
            and session_events.cap_number = sessions.cap_number
    union all
    select
        record_id,
        session_id,
        true as is_attached
    from server_events
    where session_id is not null
)

select * from final
