with

evidence as (select * from {{ ref('int_order_evidence') }}),

-- The fold order. A row that says refunded implies that there was a purchase.
ordered as (
    select
        *,
        row_number() over (
            partition by order_id
            order by occurred_at asc, effect_rank asc, record_id asc
        ) as place,
        effect = 'completed'
        or (is_row and effect in ('partially_refunded', 'refunded')) as is_purchase
    from evidence
),

-- The first place at which each effect was met.
reached as (
    select
        order_id,
        min(occurred_at) as first_event_at,
        max(occurred_at) as last_event_at,
        count(*) as evidence_count,
        min(case when is_purchase then place end) as purchase_place,
        min(case when effect = 'incomplete' then place end) as incomplete_place,
        min(case when effect = 'checkout' then place end) as checkout_place,
        min(case when effect = 'partially_refunded' then place end) as partial_place,
        min(case when effect = 'refunded' then place end) as refunded_place,
        min(case when effect = 'cancelled' then place end) as cancelled_place
    from ordered
    group by order_id
),

-- States only rise, so the highest that was reached is the state, whenever its
-- evidence came; a refund waits for its purchase.
folded as (
    select
        *,
        case
            when cancelled_place is not null then 'cancelled'
            when
                coalesce(refunded_place, partial_place) is not null
                and purchase_place is null
                then 'pending_refund'
            when refunded_place is not null then 'refunded'
            when partial_place is not null then 'partially_refunded'
            when purchase_place is not null then 'completed'
            when checkout_place is not null then 'checkout'
            when incomplete_place is not null then 'incomplete'
            else 'unknown'
        end as state
    from reached
),

-- The place at which the fold arrived at the state.
with_place as (
    select
        *,
        case state
            when 'cancelled' then cancelled_place
            when 'pending_refund'
                then
                    least(
                        coalesce(refunded_place, partial_place),
                        coalesce(partial_place, refunded_place)
                    )
            when 'refunded' then greatest(refunded_place, purchase_place)
            when 'partially_refunded' then greatest(partial_place, purchase_place)
            when 'completed' then purchase_place
            when 'checkout' then checkout_place
            when 'incomplete' then incomplete_place
            else 1
        end as state_place
    from folded
),

-- The purchase as the most believed copy dates it.
purchases as (
    select
        order_id,
        occurred_at as ordered_at,
        row_number() over (
            partition by order_id
            order by is_server desc, occurred_at asc, record_id asc
        ) as copy_number
    from ordered
    where is_purchase or (is_row and effect = 'cancelled')
),

final as (
    select
        with_place.order_id,
        with_place.state,
        ordered.record_id as state_record_id,
        ordered.occurred_at as state_changed_at,
        purchases.ordered_at,
        with_place.first_event_at,
        with_place.last_event_at,
        with_place.evidence_count
    from with_place
    inner join ordered
        on
            with_place.order_id = ordered.order_id
            and with_place.state_place = ordered.place
    left join purchases
        on with_place.order_id = purchases.order_id and purchases.copy_number = 1
)

select * from final
