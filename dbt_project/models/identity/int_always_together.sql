{{ config(materialized='components') }}

with

always_together as (select * from {{ ref('always_together') }}),

final as (
    select
        {{ hash_bigint("identifier_type_a || ':' || identifier_value_a") }} as node_a,
        {{ hash_bigint("identifier_type_b || ':' || identifier_value_b") }} as node_b
    from always_together
)

select * from final
