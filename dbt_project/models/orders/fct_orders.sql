{{ config(materialized='view') }}

with

orders as (select * from {{ ref('int_orders') }}),

order_states as (select * from {{ ref('order_states') }}),

-- The only thing about an order that ages is whether somebody still works on it.
final as (
    select
        orders.order_id,
        orders.profile_id,
        orders.state,
        orders.source_status,
        orders.currency,
        orders.gross,
        orders.discount,
        orders.revenue,
        orders.shipping,
        orders.tax,
        orders.total,
        orders.refunded,
        orders.ordered_at,
        orders.first_event_at,
        orders.last_event_at,
        order_states.is_purchase,
        orders.state in ('incomplete', 'checkout')
        and orders.last_event_at
        < {{ as_of() }} - interval {{ var('abandoned_after_hours') }} hour
            as is_abandoned,
        orders.source_id,
        orders.state_record_id,
        orders.state_changed_at,
        orders.evidence_count
    from orders
    left join order_states on orders.state = order_states.state
)

select * from final
