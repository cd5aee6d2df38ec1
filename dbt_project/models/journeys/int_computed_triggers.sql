-- Triggers that nobody sends, because the warehouse knows. Each has a key that stays
-- the same for as long as the occasion lasts, and says since when it has been true. One
-- that is no longer true is no longer here.
with

orders as (select * from {{ ref('fct_orders') }}),

subscriptions as (select * from {{ ref('fct_subscriptions') }}),

sessions as (select * from {{ ref('fct_sessions') }}),

profiles as (select * from {{ ref('dim_profiles') }}),

-- A cart that was left alone, in the last thirty days.
cart_abandoned as (
    select
        'cart_abandoned' as trigger_name,
        order_id as trigger_key,
        profile_id,
        last_event_at + interval {{ var('abandoned_after_hours') }} hour as emitted_at,
        {{ json_object_of({
            'cart_id': 'order_id',
            'cart_value': 'cast(total as ' ~ dbt.type_string() ~ ')',
            'currency': 'currency',
        }) }} as properties
    from orders
    where is_abandoned and last_event_at >= {{ as_of() }} - interval '30' day
),

-- A contract that ends within thirty days, its renewal not confirmed.
contract_ending as (
    select
        'contract_ending' as trigger_name,
        subscription_id
        || '|' || cast(cast(contract_ends_at as date) as {{ dbt.type_string() }})
            as trigger_key,
        profile_id,
        contract_ends_at - interval '30' day as emitted_at,
        {{ json_object_of({
            'contract_id': 'subscription_id',
            'ends_on': 'cast(cast(contract_ends_at as date) as ' ~ dbt.type_string() ~ ')',
            'plan': 'plan',
        }) }} as properties
    from subscriptions
    where
        not is_renewal_confirmed
        and not is_ended
        and contract_ends_at - interval '30' day <= {{ as_of() }}
),

-- A visit of somebody who looked around, a day ago or more, and has not bought.
browsed_not_purchased as (
    select
        'browsed_not_purchased' as trigger_name,
        sessions.session_id as trigger_key,
        sessions.profile_id,
        sessions.ended_at + interval '1' day as emitted_at,
        {{ json_object_of({
            'entry_url': 'sessions.entry_url',
            'favourite_category': 'profiles.favourite_category',
        }) }} as properties
    from sessions
    inner join profiles on sessions.profile_id = profiles.profile_id
    where
        sessions.is_engaged
        and not sessions.is_bot
        and sessions.ended_at between {{ as_of() }} - interval '8' day
        and {{ as_of() }} - interval '1' day
        and (
            profiles.last_order_at is null
            or profiles.last_order_at < sessions.started_at
        )
),

last_purchases as (
    select
        profile_id,
        max_by(order_id, (ordered_at, order_id)) as order_id
    from orders
    where is_purchase and ordered_at <= {{ as_of() }}
    group by profile_id
),

-- A regular buyer whose usual interval has passed since the last purchase.
replenishment_due as (
    select
        'replenishment_due' as trigger_name,
        last_purchases.order_id as trigger_key,
        profiles.profile_id,
        profiles.last_order_at
        + cast(floor(profiles.days_between_orders) as integer) * interval '1' day
            as emitted_at,
        {{ json_object_of({
            'order_id': 'last_purchases.order_id',
            'favourite_category': 'profiles.favourite_category',
        }) }} as properties
    from profiles
    inner join last_purchases on profiles.profile_id = last_purchases.profile_id
    where
        profiles.order_count >= 3
        and profiles.last_order_at
        + cast(floor(profiles.days_between_orders) as integer) * interval '1' day
        <= {{ as_of() }}
),

final as (
    select * from cart_abandoned
    where profile_id is not null
    union all
    select * from contract_ending
    where profile_id is not null
    union all
    select * from browsed_not_purchased
    union all
    select * from replenishment_due
)

select * from final
