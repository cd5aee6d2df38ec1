with

payments as (select * from {{ ref('int_order_payments') }}),

orders as (select * from {{ ref('int_orders') }}),

-- Money that moved for an order nobody told us about.
final as (
    select
        payments.order_id,
        payments.currency,
        payments.paid,
        payments.refunded,
        payments.payment_count
    from payments
    left join orders on payments.order_id = orders.order_id
    where orders.order_id is null
)

select * from final
