with

states as (select * from {{ ref('int_order_states') }}),

evidence as (select * from {{ ref('int_order_evidence') }}),

amounts as (select * from {{ ref('int_order_amounts') }}),

payments as (select * from {{ ref('int_order_payments') }}),

refunds as (select * from {{ ref('int_order_refunds') }}),

profiles as (select * from {{ ref('int_profiles') }}),

-- Whose order it is: a person before a cookie, the purchase before the cart, the
-- server before the browser, then the earliest.
ranked_evidence as (
    select
        evidence.*,
        row_number() over (
            partition by evidence.order_id
            order by
                case
                    when profiles.profile_kind = 'anchor' then 1
                    when evidence.profile_id is not null then 2
                    else 3
                end asc,
                evidence.effect_rank desc,
                evidence.is_server desc,
                evidence.source_priority asc,
                evidence.occurred_at asc,
                evidence.record_id asc
        ) as owner_rank,
        row_number() over (
            partition by evidence.order_id
            order by
                evidence.is_row desc,
                evidence.is_server desc,
                evidence.source_priority asc,
                evidence.occurred_at desc,
                evidence.record_id desc
        ) as status_rank
    from evidence
    left join profiles on evidence.profile_id = profiles.profile_id
),

owners as (
    select
        order_id,
        min_by(profile_id, owner_rank) filter (where profile_id is not null)
            as profile_id,
        min_by(source_status, status_rank) filter (where source_status is not null)
            as source_status
    from ranked_evidence
    group by order_id
),

-- Payments stand in when nothing else states an amount; the biggest sum decides.
main_payments as (
    select
        *,
        row_number() over (
            partition by order_id
            order by paid desc nulls last, currency asc nulls last
        ) as payment_rank
    from payments
),

currencies as (
    select
        order_id,
        min_by(currency, belief) filter (
            where revenue is not null and currency is not null
        ) as stated_currency,
        min_by(currency, belief) filter (where currency is not null)
            as mentioned_currency
    from amounts
    group by order_id
),

with_currency as (
    select
        states.*,
        coalesce(
            currencies.stated_currency,
            main_payments.currency,
            currencies.mentioned_currency
        ) as currency
    from states
    left join currencies on states.order_id = currencies.order_id
    left join main_payments
        on states.order_id = main_payments.order_id and main_payments.payment_rank = 1
),

-- Field by field the most believed copy that has the field, within one currency.
believed as (
    select
        with_currency.order_id,
        min_by(amounts.record_id, amounts.belief) as believed_record_id,
        min_by(amounts.source_id, amounts.belief) as source_id,
        min_by(amounts.gross, amounts.belief) filter (
            where amounts.gross is not null
        ) as gross,
        min_by(amounts.discount, amounts.belief) filter (
            where amounts.discount is not null
        ) as discount,
        min_by(amounts.revenue, amounts.belief) filter (
            where amounts.revenue is not null
        ) as revenue,
        min_by(amounts.shipping, amounts.belief) filter (
            where amounts.shipping is not null
        ) as shipping,
        min_by(amounts.tax, amounts.belief) filter (
            where amounts.tax is not null
        ) as tax,
        min_by(amounts.total, amounts.belief) filter (
            where amounts.total is not null
        ) as total
    from with_currency
    inner join amounts
        on
            with_currency.order_id = amounts.order_id
            and coalesce(amounts.currency, with_currency.currency)
            is not distinct from with_currency.currency
    group by with_currency.order_id
),

with_revenue as (
    select
        with_currency.*,
        believed.believed_record_id,
        believed.source_id,
        believed.gross,
        coalesce(believed.discount, 0) as discount,
        coalesce(believed.revenue, payments.paid) as revenue,
        coalesce(believed.shipping, 0) as shipping,
        coalesce(believed.tax, 0) as tax,
        believed.total,
        believed.revenue is null and payments.paid is not null as is_paid_amount,
        coalesce(refunds.refunded, payments.refunded) as told_refund
    from with_currency
    left join believed on with_currency.order_id = believed.order_id
    left join payments
        on
            with_currency.order_id = payments.order_id
            and with_currency.currency is not distinct from payments.currency
    left join refunds
        on
            with_currency.order_id = refunds.order_id
            and with_currency.currency is not distinct from refunds.currency
),

with_total as (
    select
        *,
        coalesce(total, revenue + shipping + tax) as full_total
    from with_revenue
),

-- Nobody gets more back than was paid; what was told beyond that is reported.
final as (
    select
        with_total.order_id,
        owners.profile_id,
        with_total.state,
        with_total.state_record_id,
        with_total.state_changed_at,
        owners.source_status,
        with_total.currency,
        cast(
            coalesce(with_total.gross, with_total.revenue + with_total.discount)
            as decimal(18, 2)
        ) as gross,
        cast(with_total.discount as decimal(18, 2)) as discount,
        cast(with_total.revenue as decimal(18, 2)) as revenue,
        cast(with_total.shipping as decimal(18, 2)) as shipping,
        cast(with_total.tax as decimal(18, 2)) as tax,
        cast(with_total.full_total as decimal(18, 2)) as total,
        cast(with_total.told_refund as decimal(18, 2)) as told_refund,
        cast(
            case
                when with_total.state = 'refunded' and with_total.told_refund is null
                    then coalesce(with_total.full_total, 0)
                when with_total.told_refund > with_total.full_total
                    then with_total.full_total
                else coalesce(with_total.told_refund, 0)
            end as decimal(18, 2)
        ) as refunded,
        with_total.is_paid_amount,
        with_total.ordered_at,
        with_total.first_event_at,
        with_total.last_event_at,
        with_total.evidence_count,
        with_total.source_id,
        with_total.believed_record_id
    from with_total
    inner join owners on with_total.order_id = owners.order_id
)

select * from final
