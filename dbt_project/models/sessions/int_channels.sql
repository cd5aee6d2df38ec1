with

session_origins as (select * from {{ ref('int_session_origins') }}),

ad_rows as (select * from {{ ref('int_ad_rows') }}),

channel_rules as (select * from {{ ref('channel_rules') }}),

origins as (
    select distinct
        source,
        medium,
        coalesce(campaign, '') as campaign,
        coalesce(source_category, '') as source_category
    from session_origins
    union
    select distinct
        source,
        medium,
        coalesce(campaign, '') as campaign,
        coalesce(source_category, '') as source_category
    from ad_rows
),

-- There are few media and many visits: each is held against each rule once.
media as (select distinct medium from origins),

medium_rules as (
    select
        media.medium,
        channel_rules.rule_number,
        channel_rules.channel,
        channel_rules.source_category,
        channel_rules.source_pattern,
        channel_rules.campaign_pattern
    from media
    inner join channel_rules
        on
            channel_rules.medium_pattern is null
            or {{ matches('media.medium', 'channel_rules.medium_pattern') }}
),

final as (
    select
        origins.source,
        origins.medium,
        origins.campaign,
        origins.source_category,
        {{ min_by('medium_rules.channel', ['medium_rules.rule_number']) }} as channel
    from origins
    inner join medium_rules on origins.medium = medium_rules.medium
    where
        (
            medium_rules.source_category is null
            or medium_rules.source_category = origins.source_category
        )
        and (
            medium_rules.source_pattern is null
            or {{ matches('origins.source', 'medium_rules.source_pattern') }}
        )
        and (
            medium_rules.campaign_pattern is null
            or {{ matches('origins.campaign', 'medium_rules.campaign_pattern') }}
        )
    group by
        origins.source, origins.medium, origins.campaign, origins.source_category
)

select * from final
