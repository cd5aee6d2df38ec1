{{ config(materialized='view') }}

with

evidence as (
    select * from {{ ref('int_order_evidence') }}
    where standing = 'counts' and kind in ('event', 'row')
),

lines as (select * from {{ ref('int_order_evidence_lines') }}),

-- A list of products tells the gross amount when every line has a price.
line_totals as (
    select
        record_id,
        case
            when count(*) = count(amount) then cast(sum(amount) as decimal(18, 2))
        end as gross
    from lines
    group by record_id
),

-- What a refund says of amounts is about the refund. A row is the whole order.
stating as (
    select
        evidence.*,
        coalesce(evidence.gross, line_totals.gross) as stated_gross,
        line_totals.record_id is not null as has_lines,
        case
            when evidence.kind = 'row' or evidence.effect = 'completed' then 1
            when evidence.effect = 'checkout' then 2
            when evidence.effect = 'incomplete' then 3
            when evidence.effect = 'unknown' then 4
            when evidence.effect = 'cancelled' then 5
        end as stage
    from evidence
    left join line_totals on evidence.record_id = line_totals.record_id
    where
        evidence.kind = 'row'
        or evidence.effect in (
            'unknown', 'incomplete', 'checkout', 'completed', 'cancelled'
        )
),

-- Revenue is what the goods brought after discount, before shipping, tax and refunds.
-- Shops use the word for other things too, so the parts are believed before the word.
with_revenue as (
    select
        record_id,
        order_id,
        source_id,
        is_server,
        source_priority,
        stage,
        occurred_at,
        currency,
        discount,
        shipping,
        tax,
        total,
        has_lines,
        stated_gross as gross,
        cast(
            coalesce(
                subtotal,
                stated_gross - discount,
                revenue,
                stated_gross,
                total - coalesce(shipping, 0) - coalesce(tax, 0),
                order_value
            ) as decimal(18, 2)
        ) as revenue
    from stating
),

-- Copies of one stage are believed server first, then by the source, then the latest.
final as (
    select
        *,
        row_number() over (
            partition by order_id
            order by
                stage asc,
                is_server desc,
                source_priority asc,
                occurred_at desc,
                record_id desc
        ) as belief
    from with_revenue
)

select * from final
