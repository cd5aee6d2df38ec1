with

orders as (select * from {{ ref('int_orders') }}),

amounts as (select * from {{ ref('int_order_amounts') }}),

lines as (select * from {{ ref('int_order_evidence_lines') }}),

-- The most believed copy that lists products.
listing as (
    select
        amounts.order_id,
        min_by(amounts.record_id, amounts.belief) as record_id
    from amounts
    where amounts.record_id in (select lines.record_id from lines)
    group by amounts.order_id
),

final as (
    select
        orders.order_id,
        lines.line_number,
        orders.profile_id,
        lines.product_id,
        lines.name,
        lines.category,
        lines.variant,
        lines.price,
        lines.quantity,
        lines.amount,
        orders.currency,
        orders.ordered_at,
        lines.record_id
    from orders
    inner join listing on orders.order_id = listing.order_id
    inner join lines on listing.record_id = lines.record_id
)

select * from final
