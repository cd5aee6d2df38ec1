{{ config(materialized='view') }}

with

catalog as (select * from {{ source('raw', 'catalog') }}),

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
        product_id,
        observed_at,
        properties,
        _load_id
    from catalog
)

select * from final
