{{ config(materialized='view') }}

with

load_rejects as (select * from {{ source('raw', 'load_rejects') }}),

final as (
    select
        stream,
        segment,
        line,
        reason,
        raw
    from load_rejects
)

select * from final
