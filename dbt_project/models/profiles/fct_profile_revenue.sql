with

orders as (select * from {{ ref('fct_orders') }}),

-- Money per person and currency, as of now; two currencies are never added up.
final as (
    select
        profile_id,
        coalesce(currency, 'XXX') as currency,
        cast(sum(coalesce(revenue, 0)) as decimal(18, 2)) as revenue,
        cast(sum(refunded) as decimal(18, 2)) as refunded,
        count(*) as order_count,
        {{ ratio('sum(coalesce(revenue, 0))', 'count(*)', 2) }} as average_order_value
    from orders
    where
        is_purchase
        and profile_id is not null
        and ordered_at <= {{ as_of() }}
    group by profile_id, coalesce(currency, 'XXX')
)

select * from final
