{{ config(materialized='view') }}

with

privacy_requests as (select * from {{ source('raw', 'privacy_requests') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        request_type,
        identifiers,
        requested_at,
        requester,
        proof,
        due_at,
        about,
        certificate,
        _load_id
    from privacy_requests
)

select * from final
