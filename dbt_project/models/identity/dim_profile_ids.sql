{{ config(materialized='view') }}

with

resolved_identifiers as (select * from {{ ref('int_resolved_identifiers') }}),

-- Any id a profile ever had is the hash of one of its identifiers.
final as (
    select
        own_profile_id as any_profile_id,
        profile_id
    from resolved_identifiers
)

select * from final
