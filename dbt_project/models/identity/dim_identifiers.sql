{{ config(materialized='view') }}

with

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

final as (
    select
        identifier_id,
        identifier_type,
        identifier_value,
        profile_id,
        is_shared,
        priority,
        first_seen_at,
        last_seen_at,
        first_record_id
    from resolved_identifiers
)

select * from final
