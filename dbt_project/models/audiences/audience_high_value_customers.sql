with

profiles as (select * from {{ ref('dim_profiles') }}),

final as (
    select
        profile_id,
        main_currency,
        revenue_in_main_currency
    from profiles
    where
        order_count >= 2
        and spend_to_average >= 1.5
        and refunded_in_main_currency < revenue_in_main_currency / 2
)

select * from final
