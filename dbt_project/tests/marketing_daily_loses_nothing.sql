-- By currency, fct_marketing_daily adds up to what it is made of: spend and clicks as the
-- platforms said them, every visit that is no robot's, every purchase and its revenue.
with

daily as (
    select
        currency,
        sum(spend) as spend,
        sum(clicks) as clicks,
        sum(session_count) as session_count,
        sum(order_count) as order_count,
        sum(revenue) as revenue
    from {{ ref('fct_marketing_daily') }}
    group by currency
),

parts as (
    select
        currency,
        spend,
        clicks,
        0 as session_count,
        0 as order_count,
        0 as revenue
    from {{ ref('int_ad_rows') }}
    union all
    select
        coalesce(sources.default_currency, 'XXX') as currency,
        0 as spend,
        0 as clicks,
        1 as session_count,
        0 as order_count,
        0 as revenue
    from {{ ref('fct_sessions') }} as sessions_made
    left join {{ ref('stg_landing__sources') }} as sources
        on sessions_made.source_id = sources.source_id
    where not sessions_made.is_bot
    union all
    select
        coalesce(currency, 'XXX') as currency,
        0 as spend,
        0 as clicks,
        0 as session_count,
        1 as order_count,
        coalesce(revenue, 0) as revenue
    from {{ ref('fct_orders') }}
    where is_purchase
),

inputs as (
    select
        currency,
        coalesce(sum(spend), 0) as spend,
        coalesce(sum(clicks), 0) as clicks,
        sum(session_count) as session_count,
        sum(order_count) as order_count,
        sum(revenue) as revenue
    from parts
    group by currency
)

select
    daily.currency as daily_currency,
    inputs.currency as input_currency
from daily
full outer join inputs on daily.currency = inputs.currency
where
    daily.spend is distinct from inputs.spend
    or daily.clicks is distinct from inputs.clicks
    or daily.session_count is distinct from inputs.session_count
    or daily.order_count is distinct from inputs.order_count
    or daily.revenue is distinct from inputs.revenue
