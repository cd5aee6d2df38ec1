{{ config(materialized='view') }}

with

identity_changes as (select * from {{ source('raw', 'identity_changes') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        as_of,
        identifier_type,
        identifier_value,
        previous_profile_id,
        profile_id,
        reason,
        cause_record_id,
        _load_id
    from identity_changes
)

select * from final
