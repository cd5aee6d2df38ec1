{{ config(materialized='view') }}

with

events as (select * from {{ ref('fct_events') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

timed_records as (select * from {{ ref('int_timed_records') }}),

final as (
    select
        events.*,
        case
            when set_profiles.is_by_time then timed_records.profile_id
            else set_profiles.profile_id
        end as profile_id
    from events
    left join set_profiles
        on events.identifier_set_id = set_profiles.identifier_set_id
    left join timed_records on events.record_id = timed_records.record_id
)

select * from final
