{{ config(materialized='view') }}

with

sources as (select * from {{ source('raw', 'sources') }}),

final as (
    select
        source_id,
        kind,
        description,
        owner,
        priority,
        default_region,
        default_currency,
        session_key,
        is_server,
        trusted_alias
    from sources
)

select * from final
