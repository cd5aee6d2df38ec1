{{ config(materialized='view') }}

with

rejects as (select * from {{ source('raw', 'rejects') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        code,
        path,
        detail,
        endpoint,
        item,
        encoding,
        raw,
        _load_id
    from rejects
)

select * from final
