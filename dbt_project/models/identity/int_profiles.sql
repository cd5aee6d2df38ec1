{{ config(materialized='view') }}

with

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

final as (
    select
        profile_id,
        representative_id,
        profile_kind,
        identifier_type as representative_type,
        identifier_value as representative_value,
        profile_first_seen_at as first_seen_at
    from resolved_identifiers
    where identifier_id = representative_id and not is_shared
)

select * from final
