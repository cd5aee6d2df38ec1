with

evidence as (select * from {{ ref('fct_order_evidence') }}),

orders as (select * from {{ ref('int_orders') }}),

-- Money that moved for an order nobody told us about.
final as (
    select
        evidence.order_id,
        evidence.currency,
        cast(
            sum(case when evidence.outcome = 'paid' then evidence.amount end)
            as decimal(18, 2)
        ) as paid,
        cast(
            sum(case when evidence.outcome = 'refunded' then abs(evidence.amount) end)
            as decimal(18, 2)
        ) as refunded,
        count(*) as payment_count
    from evidence
    left join orders on evidence.order_id = orders.order_id
    where
        evidence.kind = 'payment'
        and evidence.outcome in ('paid', 'refunded')
        and orders.order_id is null
    group by evidence.order_id, evidence.currency
)

select * from final
