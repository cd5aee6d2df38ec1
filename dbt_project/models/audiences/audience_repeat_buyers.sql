with

orders as (select * from {{ ref('fct_orders') }}),

final as (
    select
        profile_id,
        count(*) as order_count,
        cast(max(ordered_at) as date) as last_order_date
    from orders
    where is_purchase and profile_id is not null
    group by profile_id
    having count(*) >= 2
)

select * from final
