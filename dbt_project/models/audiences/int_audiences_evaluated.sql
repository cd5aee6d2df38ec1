-- The register of audiences: a block for each model audience_*, written by
-- `python -m orchestration.audience compile`. `attributes` is what destinations are
-- told about a member; nothing that changes with the clock alone belongs in it.
with

cart_abandoners as (
    select
        'cart_abandoners' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'order_id': 'order_id',
        }) }} as attributes
    from {{ ref('audience_cart_abandoners') }}
),

contract_ending_unrenewed as (
    select
        'contract_ending_unrenewed' as audience_name,
        profile_id,
        instance_key,
        {{ json_object_of({
            'plan': 'plan',
            'contract_ends_at': 'cast(contract_ends_at as ' ~ dbt.type_string() ~ ')',
        }) }} as attributes
    from {{ ref('audience_contract_ending_unrenewed') }}
),

existing_customers as (
    select
        'existing_customers' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({}) }} as attributes
    from {{ ref('audience_existing_customers') }}
),

high_value_customers as (
    select
        'high_value_customers' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'main_currency': 'main_currency',
            'revenue_in_main_currency': 'cast(revenue_in_main_currency as ' ~ dbt.type_string() ~ ')',
        }) }} as attributes
    from {{ ref('audience_high_value_customers') }}
),

lapsed_buyers as (
    select
        'lapsed_buyers' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'main_currency': 'main_currency',
            'favourite_category': 'favourite_category',
        }) }} as attributes
    from {{ ref('audience_lapsed_buyers') }}
),

new_prospects as (
    select
        'new_prospects' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'favourite_category': 'favourite_category',
        }) }} as attributes
    from {{ ref('audience_new_prospects') }}
),

newsletter_eligible as (
    select
        'newsletter_eligible' as audience_name,
        profile_id,
        '' as instance_key,
        {{ json_object_of({
            'first_name': 'first_name',
            'language': 'language',
        }) }} as attributes
    from {{ ref('audience_newsletter_eligible') }}
),

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

final as (
    select * from cart_abandoners
    union all
    select * from contract_ending_unrenewed
    union all
    select * from existing_customers
    union all
    select * from high_value_customers
    union all
    select * from lapsed_buyers
    union all
    select * from new_prospects
    union all
    select * from newsletter_eligible
    union all
    select * from repeat_buyers
)

select * from final
