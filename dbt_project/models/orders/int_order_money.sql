with

touched as (select * from {{ ref('int_touched_orders') }}),

evidence as (select * from {{ ref('int_order_evidence') }}),

amounts as (select * from {{ ref('int_order_amounts') }}),

refunds as (select * from {{ ref('int_order_refunds') }}),

-- What was paid and paid back, each currency by itself; the biggest sum comes first.
payments as (
    select
        *,
        row_number() over (
            partition by order_id
            order by paid desc nulls last, currency asc nulls last
        ) as belief
    from (
        select
            order_id,
            currency,
            cast(
                sum(case when payment_counts_as = 'paid' then payment end)
                as decimal(18, 2)
            ) as paid,
            cast(
                sum(case when payment_counts_as = 'refunded' then abs(payment) end)
                as decimal(18, 2)
            ) as refunded
        from evidence
        where standing = 'counts' and payment_counts_as in ('paid', 'refunded')
        group by order_id, currency
    ) as sums
),

-- An order has one currency: that of the most believed revenue, else of what was paid,
-- else of whatever copy names one, else of what was given back.
currencies as (
    select
        touched.order_id,
        coalesce(
            min_by(amounts.currency, amounts.belief) filter (
                where amounts.revenue is not null and amounts.currency is not null
            ),
            max(payments.currency),
            min_by(amounts.currency, amounts.belief) filter (
                where amounts.currency is not null
            ),
            max(refunds.currency)
        ) as currency
    from touched
    left join amounts on touched.order_id = amounts.order_id
    left join payments
        on touched.order_id = payments.order_id and payments.belief = 1
    left join refunds
        on touched.order_id = refunds.order_id and refunds.belief = 1
    group by touched.order_id
),

-- Field by field the most believed copy that has the field, within that currency; the
-- rank of that copy is kept, so that every order can say whom it believed.
believed as (
    select
        currencies.order_id,
        min_by(amounts.record_id, amounts.belief) as believed_record_id,
        min_by(amounts.source_id, amounts.belief) as source_id,
        min(amounts.belief) filter (where amounts.has_lines) as lines_belief,
        min_by(amounts.gross, amounts.belief) filter (
            where amounts.gross is not null
        ) as gross,
        min(amounts.belief) filter (where amounts.gross is not null)
            as gross_belief,
        min_by(amounts.discount, amounts.belief) filter (
            where amounts.discount is not null
        ) as discount,
        min(amounts.belief) filter (where amounts.discount is not null)
            as discount_belief,
        min_by(amounts.revenue, amounts.belief) filter (
            where amounts.revenue is not null
        ) as revenue,
        min(amounts.belief) filter (where amounts.revenue is not null)
            as revenue_belief,
        min_by(amounts.shipping, amounts.belief) filter (
            where amounts.shipping is not null
        ) as shipping,
        min(amounts.belief) filter (where amounts.shipping is not null)
            as shipping_belief,
        min_by(amounts.tax, amounts.belief) filter (
            where amounts.tax is not null
        ) as tax,
        min(amounts.belief) filter (where amounts.tax is not null)
            as tax_belief,
        min_by(amounts.total, amounts.belief) filter (
            where amounts.total is not null
        ) as total,
        min(amounts.belief) filter (where amounts.total is not null)
            as total_belief
    from currencies
    inner join amounts
        on
            currencies.order_id = amounts.order_id
            and coalesce(amounts.currency, currencies.currency)
            is not distinct from currencies.currency
    group by currencies.order_id
),

-- Payments stand in for a revenue that nobody stated.
final as (
    select
        currencies.order_id,
        currencies.currency,
        believed.gross_belief,
        believed.discount_belief,
        believed.revenue_belief,
        believed.shipping_belief,
        believed.tax_belief,
        believed.total_belief,
        believed.lines_belief,
        believed.believed_record_id,
        believed.source_id,
        believed.gross,
        coalesce(believed.discount, 0) as discount,
        coalesce(believed.revenue, payments.paid) as revenue,
        coalesce(believed.shipping, 0) as shipping,
        coalesce(believed.tax, 0) as tax,
        coalesce(
            believed.total,
            coalesce(believed.revenue, payments.paid)
            + coalesce(believed.shipping, 0)
            + coalesce(believed.tax, 0)
        ) as total,
        payments.paid,
        believed.revenue is null and payments.paid is not null as is_paid_amount,
        coalesce(refunds.refunded, payments.refunded) as told_refund
    from currencies
    left join believed on currencies.order_id = believed.order_id
    left join payments
        on
            currencies.order_id = payments.order_id
            and currencies.currency is not distinct from payments.currency
    left join refunds
        on
            currencies.order_id = refunds.order_id
            and currencies.currency is not distinct from refunds.currency
)

select * from final
