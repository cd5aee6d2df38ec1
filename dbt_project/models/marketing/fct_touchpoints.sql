{{ config(materialized='view') }}

with

sessions as (select * from {{ ref('fct_sessions') }}),

final as (
    select
        session_id,
        profile_id,
        started_at as touched_at,
        channel,
        source,
        medium,
        campaign,
        channel = 'Direct' as is_direct
    from sessions
    where profile_id is not null and not is_bot
)

select * from final
