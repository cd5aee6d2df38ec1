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

steps as (select * from {{ ref('int_order_steps') }}),

money as (select * from {{ ref('int_order_money') }}),

states as (
    select
        steps.order_id,
        max(steps.state) as state,
        max(case when steps.is_owner then steps.profile_id end) as profile_id,
        max(case when steps.is_status then steps.source_status end) as source_status,
        max(case when steps.is_dated_by then steps.occurred_at end) as ordered_at,
        max(case when steps.is_state_record then steps.occurred_at end)
            as state_changed_at,
        min(steps.occurred_at) as first_event_at,
        max(steps.occurred_at) as last_event_at,
        count(*) as evidence_count
    from touched
    inner join steps on touched.order_id = steps.order_id
    group by steps.order_id
),

state_records as (
    select * from steps
    where is_state_record
),

-- Nobody gets more back than was paid; what was told beyond that is reported.
final as (
    select
        states.order_id,
        states.profile_id,
        states.state,
        state_records.record_id as state_record_id,
        states.state_changed_at,
        states.source_status,
        money.currency,
        cast(
            coalesce(money.gross, money.revenue + money.discount) as decimal(18, 2)
        ) as gross,
        cast(money.discount as decimal(18, 2)) as discount,
        cast(money.revenue as decimal(18, 2)) as revenue,
        cast(money.shipping as decimal(18, 2)) as shipping,
        cast(money.tax as decimal(18, 2)) as tax,
        cast(money.total as decimal(18, 2)) as total,
        cast(money.paid as decimal(18, 2)) as paid,
        cast(money.told_refund as decimal(18, 2)) as told_refund,
        cast(
            case
                when states.state = 'refunded' and money.told_refund is null
                    then coalesce(money.total, 0)
                when money.told_refund > money.total then money.total
                else coalesce(money.told_refund, 0)
            end as decimal(18, 2)
        ) as refunded,
        money.is_paid_amount,
        states.ordered_at,
        states.first_event_at,
        states.last_event_at,
        states.evidence_count,
        money.source_id,
        money.believed_record_id
    from states
    inner join state_records on states.order_id = state_records.order_id
    inner join money on states.order_id = money.order_id
)

select * from final
