{{ config(materialized='view') }}

with

set_members as (select * from {{ ref('int_set_members') }}),

final as (
    select
        identifier_set_id,
        identifier_id,
        identifier_type,
        identifier_value,
        is_previous
    from set_members
    where is_usable
)

select * from final
