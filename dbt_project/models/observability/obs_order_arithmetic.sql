with

orders as (select * from {{ ref('int_orders') }}),

-- Orders whose amounts contradict each other. One row per contradiction.
contradictions as (
    select
        order_id,
        'gross - discount is not revenue' as problem,
        gross - discount as expected,
        revenue as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where gross - discount <> revenue
    union all
    select
        order_id,
        'revenue + shipping + tax is not total' as problem,
        revenue + shipping + tax as expected,
        total as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where revenue + shipping + tax <> total
    union all
    select
        order_id,
        'more was refunded than paid' as problem,
        total as expected,
        told_refund as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where told_refund > total
    union all
    select
        order_id,
        'partial refunds add up to the total' as problem,
        total as expected,
        told_refund as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where state = 'partially_refunded' and told_refund = total
    union all
    select
        order_id,
        'a full refund is less than the total' as problem,
        total as expected,
        told_refund as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where state = 'refunded' and told_refund < total
    union all
    select
        order_id,
        'payments are not the total' as problem,
        total as expected,
        paid as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where
        state in ('completed', 'partially_refunded', 'refunded')
        and not is_paid_amount
        and paid <> total
    union all
    select
        order_id,
        'a partial refund has no amount' as problem,
        cast(null as decimal(18, 2)) as expected,
        told_refund as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where state = 'partially_refunded' and told_refund is null
    union all
    select
        order_id,
        'a purchase has no amount' as problem,
        cast(null as decimal(18, 2)) as expected,
        revenue as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from orders
    where
        state in ('completed', 'partially_refunded', 'refunded') and revenue is null
),

final as (
    select
        order_id,
        problem,
        cast(expected as decimal(18, 2)) as expected,
        cast(found as decimal(18, 2)) as found,
        currency,
        source_id,
        last_event_at,
        believed_record_id
    from contradictions
)

select * from final
