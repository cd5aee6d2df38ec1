with

orders as (select * from {{ ref('int_orders') }}),

-- Refunds that still wait for the purchase they give back.
final as (
    select
        order_id,
        profile_id,
        told_refund,
        currency,
        state_record_id,
        first_event_at
    from orders
    where state = 'pending_refund'
)

select * from final
