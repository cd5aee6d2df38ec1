{{ config(materialized='view') }}

with

events as (select * from {{ ref('fct_events') }}),

effects as (select * from {{ ref('subscription_effects') }}),

-- Events that would have changed an order or a subscription, had they named it. A cart
-- without an order is nothing unusual.
final as (
    select
        events.record_id,
        events.source_id,
        events.event_name,
        events.occurred_at,
        'order' as lacks,
        events.order_effect as effect
    from events
    where
        events.order_id is null
        and events.event_type in ('track', 'page', 'screen')
        and events.order_effect
        in ('completed', 'partially_refunded', 'refunded', 'cancelled')
    union all
    select
        events.record_id,
        events.source_id,
        events.event_name,
        events.occurred_at,
        'subscription' as lacks,
        effects.effect
    from events
    inner join effects
        on events.canonical_name = effects.word and effects.said_by = 'event'
    where events.subscription_id is null and events.event_type = 'track'
)

select * from final
