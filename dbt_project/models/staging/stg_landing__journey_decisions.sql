{{ config(materialized='view') }}

with

journey_decisions as (select * from {{ source('raw', 'journey_decisions') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        as_of,
        journey,
        candidate_id,
        entry_name,
        recipient,
        recipient_key,
        instance_key,
        emitted_at,
        outcome,
        detail,
        _load_id
    from journey_decisions
)

select * from final
