with

ad_rows as (select * from {{ ref('int_ad_rows') }}),

channels as (select * from {{ ref('int_channels') }}),

sessions as (
    select * from {{ ref('fct_sessions') }}
    where not is_bot
),

attribution as (
    select * from {{ ref('fct_attribution') }}
    where model = '{{ var('marketing_attribution_model') }}'
),

sources as (select * from {{ ref('stg_landing__sources') }}),

-- Some tag their links with a campaign's number: it is called as the platform called
-- it last.
campaign_names as (
    select
        source,
        lower(campaign_id) as campaign_id,
        {{ max_by('campaign', ['metric_date', 'record_id']) }} as campaign
    from ad_rows
    where campaign_id is not null and campaign is not null
    group by source, lower(campaign_id)
),

spend as (
    select
        ad_rows.metric_date as activity_date,
        coalesce(channels.channel, 'Unassigned') as channel,
        ad_rows.campaign,
        ad_rows.currency,
        ad_rows.spend,
        ad_rows.impressions,
        ad_rows.clicks,
        0 as session_count,
        cast(0 as decimal(11, 10)) as order_count,
        cast(0 as decimal(11, 10)) as new_customer_count,
        cast(0 as decimal(18, 2)) as revenue
    from ad_rows
    left join channels
        on
            ad_rows.source = channels.source
            and ad_rows.medium = channels.medium
            and coalesce(ad_rows.campaign, '') = channels.campaign
            and coalesce(ad_rows.source_category, '') = channels.source_category
),

-- A visit costs nothing in any currency; it stands beside what its site is paid in.
visits as (
    select
        cast(sessions.started_at as date) as activity_date,
        sessions.channel,
        coalesce(campaign_names.campaign, sessions.campaign) as campaign,
        coalesce(sources.default_currency, 'XXX') as currency,
        cast(0 as decimal(18, 4)) as spend,
        0 as impressions,
        0 as clicks,
        1 as session_count,
        cast(0 as decimal(11, 10)) as order_count,
        cast(0 as decimal(11, 10)) as new_customer_count,
        cast(0 as decimal(18, 2)) as revenue
    from sessions
    left join sources on sessions.source_id = sources.source_id
    left join campaign_names
        on
            sessions.source = campaign_names.source
            and sessions.campaign = campaign_names.campaign_id
),

sales as (
    select
        cast(attribution.ordered_at as date) as activity_date,
        attribution.channel,
        coalesce(campaign_names.campaign, attribution.campaign) as campaign,
        attribution.currency,
        cast(0 as decimal(18, 4)) as spend,
        0 as impressions,
        0 as clicks,
        0 as session_count,
        attribution.weight as order_count,
        case
            when attribution.is_new_customer then attribution.weight
            else cast(0 as decimal(11, 10))
        end as new_customer_count,
        attribution.revenue
    from attribution
    left join campaign_names
        on
            attribution.source = campaign_names.source
            and attribution.campaign = campaign_names.campaign_id
),

-- All three under one another: what has no counterpart stays a row of its own.
everything as (
    select * from spend
    union all
    select * from visits
    union all
    select * from sales
),

summed as (
    select
        activity_date,
        channel,
        coalesce(campaign, '(none)') as campaign,
        currency,
        cast(coalesce(sum(spend), 0) as decimal(18, 4)) as spend,
        cast(coalesce(sum(impressions), 0) as bigint) as impressions,
        cast(coalesce(sum(clicks), 0) as bigint) as clicks,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(order_count) as decimal(18, 10)) as order_count,
        cast(sum(new_customer_count) as decimal(18, 10)) as new_customer_count,
        cast(sum(revenue) as decimal(18, 2)) as revenue
    from everything
    group by activity_date, channel, coalesce(campaign, '(none)'), currency
),

final as (
    select
        activity_date,
        channel,
        campaign,
        currency,
        spend,
        impressions,
        clicks,
        session_count,
        order_count,
        new_customer_count,
        revenue,
        {{ ratio('revenue', 'spend', 4) }} as roas,
        {{ ratio('spend', 'new_customer_count', 4) }} as customer_acquisition_cost,
        {{ ratio('order_count', 'session_count', 6) }} as conversion_rate,
        spend > 0 and (session_count > 0 or order_count > 0) as is_spend_matched
    from summed
)

select * from final
