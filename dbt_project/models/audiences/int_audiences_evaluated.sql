-- The register of audiences: a new audience is its own model and one more block here.
-- `attributes` is what destinations are told about a member; nothing that changes with
-- the clock alone belongs in it.
with

repeat_buyers as (
    select
        'repeat_buyers' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'order_count': 'order_count',
            'last_order_date': 'cast(last_order_date as ' ~ dbt.type_string() ~ ')',
        }) }} as attributes
    from {{ ref('audience_repeat_buyers') }}
),

cart_abandoners as (
    select
        'cart_abandoners' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({'order_id': 'order_id'}) }} as attributes
    from {{ ref('audience_cart_abandoners') }}
),

new_prospects as (
    select
        'new_prospects' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({'favourite_category': 'favourite_category'}) }} as attributes
    from {{ ref('audience_new_prospects') }}
),

final as (
    select * from repeat_buyers
    union all
    select * from cart_abandoners
    union all
    select * from new_prospects
)

select * from final
