with

records as (select * from {{ ref('int_records') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

final as (
    select
        records.record_id,
        set_profiles.profile_id
    from records
    inner join set_profiles
        on records.identifier_set_id = set_profiles.identifier_set_id
)

select * from final
