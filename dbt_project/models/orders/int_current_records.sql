{{ config(materialized='view') }}

with

records as (select * from {{ ref('stg_landing__records') }}),

-- A row says how things are now: its latest version counts, earlier ones do not.
latest as (
    select
        source_id,
        row_key,
        max(record_id) as record_id
    from records
    group by source_id, row_key
),

final as (
    select
        records.record_id,
        records.source_id,
        records.row_key,
        records.record_type,
        records.order_id,
        coalesce(records.occurred_at, records.received_at) as occurred_at,
        records.source_status,
        records.effect,
        records.properties
    from records
    inner join latest on records.record_id = latest.record_id
    where records.op = 'upsert'
)

select * from final
