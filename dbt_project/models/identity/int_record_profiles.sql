{{ config(materialized='view') }}

with

records as (select * from {{ ref('int_records') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

timed_records as (select * from {{ ref('int_timed_records') }}),

final as (
    select
        records.record_id,
        set_profiles.profile_id
    from records
    inner join set_profiles
        on records.identifier_set_id = set_profiles.identifier_set_id
    where not set_profiles.is_by_time
    union all
    select
        record_id,
        profile_id
    from timed_records
)

select * from final
