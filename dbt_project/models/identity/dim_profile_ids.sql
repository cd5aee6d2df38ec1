with

identifiers as (select * from {{ ref('dim_identifiers') }}),

-- Any id a profile ever had is the hash of one of its identifiers.
final as (
    select
        {{ profile_id('identifier_type', 'identifier_value') }} as any_profile_id,
        profile_id
    from identifiers
)

select * from final
