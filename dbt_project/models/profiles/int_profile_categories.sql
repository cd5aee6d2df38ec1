with

events as (select * from {{ ref('fct_profile_events') }}),

products as (select * from {{ ref('dim_products') }}),

-- Which kinds of products a person deals with, and when: small enough to be
-- counted at any as_of, fine enough to be counted right.
final as (
    select
        events.profile_id,
        products.category,
        events.occurred_at,
        count(*) as event_count
    from events
    inner join products on events.product_id = products.product_id
    where events.profile_id is not null and products.category is not null
    group by events.profile_id, products.category, events.occurred_at
)

select * from final
