{{ config(materialized='view') }}

with

deliveries as (select * from {{ source('raw', 'deliveries') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        kind,
        sync_name,
        account,
        run_id,
        op_id,
        attempt_id,
        recipient_key,
        recipient_type,
        profile_id,
        handle,
        action,
        generation,
        payload_hash,
        mapping_version,
        outcome,
        http_status,
        job,
        requests,
        not_before,
        detail,
        deliveries.at as happened_at,
        _load_id
    from deliveries
)

select * from final
