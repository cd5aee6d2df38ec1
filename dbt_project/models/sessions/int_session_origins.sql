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

traffic_tags as (select * from {{ ref('traffic_tags') }}),

traffic_sources as (select * from {{ ref('traffic_sources') }}),

referrer_sites as (select * from {{ ref('int_referrer_sites') }}),

-- Every parameter of the tagged page stands between two &.
prepared as (
    select
        session_id,
        session_key_id,
        '&' || translate(lower(tagged_url), '?#', '&&') || '&' as parameters,
        replace(lower(campaign_tags), ' ', '') as tags,
        nullif(lower(trim(utm_source)), '') as utm_source,
        nullif(lower(trim(utm_medium)), '') as utm_medium,
        nullif(lower(trim(utm_campaign)), '') as utm_campaign,
        referrer_host,
        own_host
    from sessions
),

-- Click ids and own tags, from the address or as the tracker read them there.
tagged as (
    select
        prepared.session_id,
        traffic_tags.kind,
        traffic_tags.source,
        traffic_tags.medium,
        row_number() over (
            partition by prepared.session_id
            order by
                case traffic_tags.kind
                    when 'click_id' then 1 when 'own_tag' then 2 else 3
                end asc,
                traffic_tags.tag_number asc
        ) as choice
    from prepared
    inner join traffic_tags
        on
            (
                contains(
                    prepared.parameters,
                    '&' || traffic_tags.parameter || '='
                    || coalesce(traffic_tags.tag_value || '&', '')
                )
                and not contains(
                    prepared.parameters, '&' || traffic_tags.parameter || '=&'
                )
            )
            or (
                contains(
                    prepared.tags,
                    '"' || traffic_tags.parameter || '":"'
                    || coalesce(traffic_tags.tag_value || '"', '')
                )
                and not contains(
                    prepared.tags, '"' || traffic_tags.parameter || '":""'
                )
            )
    where contains(prepared.parameters, '=') or prepared.tags is not null
),

-- Our own pages send nobody, nor does a site that people only come back from.
with_referrer as (
    select
        prepared.session_id,
        case
            when coalesce(prepared.referrer_host, '') = '' then false
            when referrer_sites.category = 'ignored' then false
            when
                regexp_replace(prepared.referrer_host, '^www[.]', '')
                = regexp_replace(prepared.own_host, '^www[.]', '')
                then false
            when prepared.referrer_host like '%.' || prepared.own_host then false
            when prepared.own_host like '%.' || prepared.referrer_host then false
            else true
        end as is_referred,
        coalesce(
            referrer_sites.name, regexp_replace(prepared.referrer_host, '^www[.]', '')
        ) as name,
        referrer_sites.category
    from prepared
    left join referrer_sites on prepared.referrer_host = referrer_sites.referrer_host
),

-- A click id proves what it says; then the house's own tags, UTM, hints, the referrer.
decided as (
    select
        prepared.session_id,
        prepared.session_key_id,
        prepared.utm_source,
        prepared.utm_medium,
        prepared.utm_campaign,
        case
            when tagged.kind in ('click_id', 'own_tag') then tagged.kind
            when
                coalesce(
                    prepared.utm_source, prepared.utm_medium, prepared.utm_campaign
                ) is not null
                then 'utm'
            when tagged.kind is not null then tagged.kind
            when with_referrer.is_referred then 'referrer'
            else 'nothing'
        end as decided_by,
        tagged.source as tag_source,
        tagged.medium as tag_medium,
        with_referrer.name as referrer_name,
        with_referrer.category as referrer_category
    from prepared
    left join tagged on prepared.session_id = tagged.session_id and tagged.choice = 1
    left join with_referrer on prepared.session_id = with_referrer.session_id
),

with_source as (
    select
        session_id,
        session_key_id,
        decided_by,
        case decided_by
            when 'utm' then coalesce(utm_source, '(not set)')
            when 'referrer' then referrer_name
            when 'nothing' then '(direct)'
            else tag_source
        end as source,
        case decided_by
            when 'utm' then coalesce(utm_medium, '(not set)')
            when 'referrer'
                then
                    case
                        when referrer_category = 'search' then 'organic'
                        else 'referral'
                    end
            when 'nothing' then '(none)'
            else tag_medium
        end as medium,
        utm_campaign as campaign,
        case when decided_by = 'referrer' then referrer_category end
            as referrer_category
    from decided
),

final as (
    select
        with_source.*,
        coalesce(with_source.referrer_category, traffic_sources.category)
            as source_category
    from with_source
    left join traffic_sources on with_source.source = traffic_sources.source
)

select * from final
