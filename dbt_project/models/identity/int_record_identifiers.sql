{{ config(materialized='view') }}

with

records as (select * from {{ ref('int_records') }}),

set_identifiers as (select * from {{ ref('int_set_identifiers') }}),

final as (
    select
        records.record_id,
        records.stream,
        records.source_id,
        records.occurred_at,
        set_identifiers.identifier_id,
        set_identifiers.identifier_type,
        set_identifiers.identifier_value
    from records
    inner join set_identifiers
        on records.identifier_set_id = set_identifiers.identifier_set_id
)

select * from final
