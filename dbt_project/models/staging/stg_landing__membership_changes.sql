{{ config(materialized='view') }}

with

membership_changes as (select * from {{ source('raw', 'membership_changes') }}),

final as (
    select
        record_id,
        source_id,
        received_at,
        contract,
        contract_version,
        as_of,
        audience_name,
        profile_id,
        instance_key,
        action,
        reason,
        definition,
        _load_id
    from membership_changes
)

select * from final
