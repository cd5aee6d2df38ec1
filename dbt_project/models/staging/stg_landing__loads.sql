{{ config(materialized='view') }}

with

loads as (select * from {{ source('raw', 'loads') }}),

final as (
    select
        load_id,
        stream,
        segment,
        lines,
        loaded,
        rejected,
        bytes,
        sha256
    from loads
)

select * from final
