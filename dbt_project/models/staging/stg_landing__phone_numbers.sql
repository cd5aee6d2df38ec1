{{ config(materialized='view') }}

with

phone_numbers as (select * from {{ source('raw', 'phone_numbers') }}),

final as (
    select
        value,
        region,
        e164
    from phone_numbers
)

select * from final
