with

profiles as (select * from {{ ref('dim_profiles') }}),

final as (
    select
        profile_id,
        favourite_category
    from profiles
    where session_count_30d > 0 and order_count = 0
)

select * from final
