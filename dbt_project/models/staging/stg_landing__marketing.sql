{{ config(materialized='view') }}

with

marketing as (select * from {{ source('raw', 'marketing') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        row_key,
        op,
        row_hash,
        file,
        line,
        metric_date,
        platform,
        account_id,
        campaign_id,
        campaign_name,
        ad_set_id,
        ad_set_name,
        ad_id,
        ad_name,
        currency,
        spend,
        impressions,
        clicks,
        conversions,
        revenue,
        _load_id
    from marketing
)

select * from final
