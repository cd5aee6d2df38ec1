-- An order has one currency: a field that was taken from a copy in another one is a row.
with

evidence as (select * from {{ ref('fct_order_evidence') }}),

orders as (select * from {{ ref('fct_orders') }}),

lines as (select * from {{ ref('fct_order_lines') }}),

final as (
    select
        evidence.order_id,
        evidence.record_id,
        evidence.believed_for as problem
    from evidence
    inner join orders on evidence.order_id = orders.order_id
    where
        evidence.believed_for is not null
        and evidence.currency <> orders.currency
    union all
    select
        lines.order_id,
        lines.record_id,
        'line' as problem
    from lines
    inner join orders on lines.order_id = orders.order_id
    where lines.currency is distinct from orders.currency
)

select * from final
