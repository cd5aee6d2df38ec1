-- Compiled from audiences/lapsed_buyers.yml: edit that, then
-- `python -m orchestration.audience compile`.
with

profiles as (select * from {{ ref('dim_profiles') }}),

orders as (select * from {{ ref('fct_orders') }}),

members_of_contract_ending_unrenewed as (
    select * from {{ ref('audience_contract_ending_unrenewed') }}
),

-- orders: purchases, when: {since: 2 years ago, before: 180 days ago}, take: last
orders_1_last as (
    select
        profile_id,
        max(ordered_at) as ordered_at
    from orders
    where
        is_purchase
        and ordered_at < {{ as_of() }}
    group by profile_id
),

orders_1 as (
    select
        profile_id,
        count(*) as row_count
    from orders_1_last
    where
        ordered_at >= {{ as_of() }} - interval '2' year
        and ordered_at < {{ as_of() }} - interval '180' day
    group by profile_id
),

-- orders: carts, when: {last: 180 days}
orders_2 as (
    select
        profile_id,
        count(*) as row_count
    from orders
    where
        state in ('incomplete', 'checkout')
        and last_event_at >= {{ as_of() }} - interval '180' day
        and last_event_at < {{ as_of() }}
    group by profile_id
),

-- audience: contract_ending_unrenewed
audience_1 as (
    select
        profile_id,
        count(*) as row_count
    from members_of_contract_ending_unrenewed
    group by profile_id
),

final as (
    select
        profiles.profile_id,
        profiles.main_currency,
        profiles.favourite_category
    from profiles
    left join orders_1 on profiles.profile_id = orders_1.profile_id
    left join orders_2 on profiles.profile_id = orders_2.profile_id
    left join audience_1 on profiles.profile_id = audience_1.profile_id
    where
        coalesce(orders_1.row_count, 0) >= 1
        and not coalesce(orders_2.row_count, 0) >= 1
        and not coalesce(audience_1.row_count, 0) >= 1
)

select * from final
