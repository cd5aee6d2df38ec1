with

marketing as (select * from {{ ref('stg_landing__marketing') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

ad_platforms as (select * from {{ ref('ad_platforms') }}),

traffic_sources as (select * from {{ ref('traffic_sources') }}),

-- Platforms correct their figures for days: the row as it was landed last is true.
latest as (
    select
        *,
        row_number() over (
            partition by source_id, row_key
            order by record_id desc
        ) as age
    from marketing
),

final as (
    select
        latest.record_id,
        latest.source_id,
        latest.metric_date,
        latest.platform,
        latest.account_id,
        latest.campaign_id,
        nullif(lower(trim(coalesce(latest.campaign_name, latest.campaign_id))), '')
            as campaign,
        coalesce(ad_platforms.source, lower(latest.platform)) as source,
        coalesce(ad_platforms.medium, 'cpc') as medium,
        traffic_sources.category as source_category,
        coalesce(upper(latest.currency), sources.default_currency, 'XXX') as currency,
        latest.spend,
        latest.impressions,
        latest.clicks,
        latest.conversions,
        latest.revenue
    from latest
    left join sources on latest.source_id = sources.source_id
    left join ad_platforms on lower(latest.platform) = ad_platforms.platform
    left join traffic_sources
        on
            coalesce(ad_platforms.source, lower(latest.platform))
            = traffic_sources.source
    where latest.age = 1 and latest.op = 'upsert'
)

select * from final
