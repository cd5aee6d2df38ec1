with

evidence as (select * from {{ ref('int_order_evidence') }}),

orders as (select * from {{ ref('int_orders') }}),

-- Amounts that an order leaves out because they are in another currency than its own.
final as (
    select
        evidence.order_id,
        evidence.record_id,
        evidence.source_id,
        evidence.effect,
        orders.currency as order_currency,
        evidence.currency as stated_currency
    from evidence
    inner join orders on evidence.order_id = orders.order_id
    where
        evidence.currency <> orders.currency
        and coalesce(
            evidence.gross,
            evidence.subtotal,
            evidence.revenue,
            evidence.total,
            evidence.order_value,
            evidence.refunded
        ) is not null
)

select * from final
