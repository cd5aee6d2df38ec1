{{ config(materialized='view') }}

with

events as (select * from {{ ref('fct_events') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

final as (
    select
        events.*,
        record_profiles.profile_id
    from events
    left join record_profiles on events.record_id = record_profiles.record_id
)

select * from final
