with

never_together as (select * from {{ ref('never_together') }}),

keyed as (
    select
        {{ hash_bigint("identifier_type_a || ':' || identifier_value_a") }} as id_a,
        {{ hash_bigint("identifier_type_b || ':' || identifier_value_b") }} as id_b
    from never_together
),

final as (
    select distinct
        least(id_a, id_b) as node_a,
        greatest(id_a, id_b) as node_b
    from keyed
)

select * from final
