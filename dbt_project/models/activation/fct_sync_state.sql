{{ config(materialized='view') }}
-- Who is at each destination now, as far as deliveries prove it.
with

delivered as (select * from {{ ref('int_sync_delivered') }}),

final as (
    select
        sync_name,
        recipient_key,
        handle,
        profile_id,
        state,
        is_pending,
        payload_hash,
        mapping_version,
        generation,
        changed_at
    from delivered
)

select * from final
