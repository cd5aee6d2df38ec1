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

orders as (select * from {{ ref('int_orders') }}),

money as (select * from {{ ref('int_order_money') }}),

amounts as (select * from {{ ref('int_order_amounts') }}),

lines as (select * from {{ ref('int_order_evidence_lines') }}),

-- The most believed copy that lists products, in the currency of the order.
listings as (
    select
        money.order_id,
        amounts.record_id,
        amounts.occurred_at
    from money
    inner join amounts
        on
            money.order_id = amounts.order_id
            and money.lines_belief = amounts.belief
),

final as (
    select
        orders.order_id,
        cast(lines.line_number as bigint) as line_number,
        orders.profile_id,
        lines.product_id,
        lines.name,
        lines.category,
        lines.variant,
        lines.price,
        lines.quantity,
        lines.amount,
        orders.currency,
        orders.ordered_at,
        listings.occurred_at as listed_at,
        lines.record_id
    from touched
    inner join orders on touched.order_id = orders.order_id
    inner join listings on orders.order_id = listings.order_id
    inner join lines on listings.record_id = lines.record_id
)

select * from final
