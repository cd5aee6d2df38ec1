with

events as (select * from {{ ref('fct_events') }}),

bot_user_agents as (select * from {{ ref('bot_user_agents') }}),

-- There are few user agents and many events: each is looked at once.
user_agents as (
    select distinct user_agent
    from events
    where user_agent is not null
),

final as (
    select
        user_agents.user_agent,
        min(bot_user_agents.pattern) as pattern
    from user_agents
    inner join bot_user_agents
        on
            replace(lower(user_agents.user_agent), bot_user_agents.pattern, '')
            <> lower(user_agents.user_agent)
    group by user_agents.user_agent
)

select * from final
