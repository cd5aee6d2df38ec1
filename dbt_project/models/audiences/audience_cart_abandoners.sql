with

orders as (select * from {{ ref('fct_orders') }}),

-- What was left behind lately.
carts as (
    select
        profile_id,
        order_id,
        last_event_at
    from orders
    where
        is_abandoned
        and profile_id is not null
        and last_event_at >= {{ as_of() }} - interval '30' day
),

-- Whoever bought after leaving a cart behind came back.
last_purchases as (
    select
        profile_id,
        max(ordered_at) as bought_at
    from orders
    where is_purchase
    group by profile_id
),

final as (
    select
        carts.profile_id,
        count(*) as cart_count,
        max(carts.last_event_at) as abandoned_at,
        max_by(carts.order_id, (carts.last_event_at, carts.order_id)) as order_id
    from carts
    left join last_purchases
        on carts.profile_id = last_purchases.profile_id
    where
        last_purchases.bought_at is null
        or last_purchases.bought_at < carts.last_event_at
    group by carts.profile_id
)

select * from final
