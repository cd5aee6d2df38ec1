{{ config(materialized='view') }}

with

events as (select * from {{ source('raw', 'events') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        event_id,
        type,
        name,
        occurred_at,
        sent_at,
        original_timestamp,
        identifiers,
        properties,
        traits,
        context,
        channel,
        consent,
        shape,
        flags,
        _load_id
    from events
)

select * from final
