with

evidence as (
    select * from {{ ref('fct_order_evidence') }}
    where is_other_currency
),

orders as (select * from {{ ref('int_orders') }}),

-- Amounts that an order leaves out because they are in another currency than its own.
final as (
    select
        evidence.order_id,
        evidence.record_id,
        evidence.source_id,
        evidence.effect,
        orders.currency as order_currency,
        evidence.currency as stated_currency,
        evidence.amount as stated_amount
    from evidence
    inner join orders on evidence.order_id = orders.order_id
)

select * from final
