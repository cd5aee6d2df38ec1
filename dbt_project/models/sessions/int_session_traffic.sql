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

touched as (select * from {{ ref('int_touched_sessions') }}),

sessions as (
    select * from {{ ref('int_sessions') }}
    {% if is_incremental() %}
    where session_key_id in (select touched.session_key_id from touched)
    {% endif %}
),

session_origins as (
    select * from {{ ref('int_session_origins') }}
    {% if is_incremental() %}
    where session_key_id in (select touched.session_key_id from touched)
    {% endif %}
),

channels as (select * from {{ ref('int_channels') }}),

crawler_user_agents as (select * from {{ ref('crawler_user_agents') }}),

-- Robots by what they call themselves; an exception beats whatever else matches.
user_agents as (
    select distinct user_agent from sessions
    where user_agent is not null
),

robots as (
    select user_agents.user_agent
    from user_agents
    inner join crawler_user_agents
        on
            case
                when crawler_user_agents.is_literal
                    then contains(user_agents.user_agent, crawler_user_agents.pattern)
                else {{ matches(
                    'user_agents.user_agent', 'crawler_user_agents.pattern'
                ) }}
            end
    group by user_agents.user_agent
    having min(case when crawler_user_agents.is_bot then 1 else 0 end) = 1
),

final as (
    select
        session_origins.session_id,
        session_origins.session_key_id,
        coalesce(channels.channel, 'Unassigned') as channel,
        robots.user_agent is not null as is_bot
    from session_origins
    left join channels
        on
            session_origins.source = channels.source
            and session_origins.medium = channels.medium
            and coalesce(session_origins.campaign, '') = channels.campaign
            and coalesce(session_origins.source_category, '') = channels.source_category
    left join sessions on session_origins.session_id = sessions.session_id
    left join robots on sessions.user_agent = robots.user_agent
)

select * from final
