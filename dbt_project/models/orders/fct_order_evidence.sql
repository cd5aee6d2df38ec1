{{
    config(
        materialized='incremental',
        incremental_strategy='replace_keys',
        unique_key='order_id',
        on_schema_change='fail',
        meta={'touched': 'int_touched_orders'},
        post_hook="{{ remember({
            'int_distinct_events': '_load_id',
            'stg_landing__records': '_load_id',
            'int_profile_touches': '_touch_id',
        }) }}",
    )
}}

with

touched as (select * from {{ ref('int_touched_orders') }}),

evidence as (select * from {{ ref('int_order_evidence') }}),

steps as (select * from {{ ref('int_order_steps') }}),

amounts as (select * from {{ ref('int_order_amounts') }}),

money as (select * from {{ ref('int_order_money') }}),

orders as (select * from {{ ref('int_orders') }}),

lines as (select * from {{ ref('fct_order_lines') }}),

listings as (select distinct record_id from lines),

-- Which fields of its order each copy was believed for.
believed as (
    select
        amounts.record_id,
        case when amounts.belief = money.gross_belief then ' gross' else '' end
        || case when amounts.belief = money.discount_belief then ' discount' else '' end
        || case when amounts.belief = money.revenue_belief then ' revenue' else '' end
        || case when amounts.belief = money.shipping_belief then ' shipping' else '' end
        || case when amounts.belief = money.tax_belief then ' tax' else '' end
        || case when amounts.belief = money.total_belief then ' total' else '' end
        || case when listings.record_id is not null then ' lines' else '' end
            as believed_for
    from amounts
    inner join money on amounts.order_id = money.order_id
    left join listings on amounts.record_id = listings.record_id
),

explained as (
    select
        evidence.*,
        steps.place,
        steps.counted_as,
        steps.state_before,
        steps.state_after,
        coalesce(steps.is_state_record, false) as is_state_record,
        coalesce(steps.is_owner, false) as is_owner,
        believed.believed_for,
        orders.currency as order_currency,
        orders.is_paid_amount,
        case
            when evidence.standing <> 'counts' then evidence.standing
            when evidence.kind = 'payment' then evidence.payment_counts_as
            when steps.state_before is null or steps.state_before <> steps.state_after
                then 'changed'
            when steps.counted_as = 'unknown' then 'no_effect'
            when steps.counted_as = steps.state_after then 'repeated'
            when
                steps.counted_as in ('partially_refunded', 'refunded')
                and steps.state_after = 'pending_refund'
                then 'waits'
            else 'passed'
        end as outcome
    from touched
    inner join evidence on touched.order_id = evidence.order_id
    left join steps on evidence.record_id = steps.record_id
    left join believed on evidence.record_id = believed.record_id
    left join orders on evidence.order_id = orders.order_id
),

final as (
    select
        order_id,
        record_id,
        cast(place as bigint) as place,
        kind,
        source_id,
        event_id,
        name,
        source_status,
        occurred_at,
        effect,
        counted_as,
        outcome,
        state_before,
        state_after,
        is_state_record,
        profile_id,
        profile_kind,
        is_owner,
        currency,
        cast(
            coalesce(
                payment,
                refunded,
                revenue,
                subtotal,
                gross,
                total,
                order_value
            ) as decimal(18, 2)
        ) as amount,
        case
            when is_paid_amount and outcome = 'paid' and currency = order_currency
                then 'revenue'
            else nullif(trim(believed_for), '')
        end as believed_for,
        coalesce(currency <> order_currency, false)
        and outcome not in ('superseded', 'withdrawn', 'ignored')
        and coalesce(
            payment, refunded, revenue, subtotal, gross, total, order_value
        ) is not null as is_other_currency
    from explained
)

select * from final
