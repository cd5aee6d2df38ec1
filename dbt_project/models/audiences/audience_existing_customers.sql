-- Compiled from audiences/existing_customers.yml: edit that, then
-- `python -m orchestration.audience compile`.
with

profiles as (select * from {{ ref('dim_profiles') }}),

orders as (select * from {{ ref('fct_orders') }}),

subscriptions as (select * from {{ ref('fct_subscriptions') }}),

-- orders: purchases
orders_1 as (
    select
        profile_id,
        count(*) as row_count
    from orders
    where
        is_purchase
        and ordered_at < {{ as_of() }}
    group by profile_id
),

-- subscriptions: running
subscriptions_1 as (
    select
        profile_id,
        count(*) as row_count
    from subscriptions
    where not is_ended
    group by profile_id
),

final as (
    select profiles.profile_id
    from profiles
    left join orders_1 on profiles.profile_id = orders_1.profile_id
    left join subscriptions_1 on profiles.profile_id = subscriptions_1.profile_id
    where
        coalesce(orders_1.row_count, 0) >= 1
        or coalesce(subscriptions_1.row_count, 0) >= 1
)

select * from final
