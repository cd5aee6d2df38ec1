with

membership as (select * from {{ ref('fct_audience_membership') }}),

final as (
    select
        audience_name,
        profile_id,
        instance_key,
        entered_at
    from membership
    where exited_at is null
)

select * from final
