{{ config(materialized='view') }}

with

events as (select * from {{ ref('fct_events') }}),

set_profiles as (select * from {{ ref('int_set_profiles') }}),

timed_records as (select * from {{ ref('int_timed_records') }}),

final as (
    {{ events_with_profile('events') }}
)

select * from final
