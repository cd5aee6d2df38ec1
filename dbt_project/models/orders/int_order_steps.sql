with

evidence as (
    select * from {{ ref('int_order_evidence') }}
    where standing = 'counts' and kind in ('event', 'row')
),

money as (select * from {{ ref('int_order_money') }}),

order_states as (select * from {{ ref('order_states') }}),

-- Names of refunds seldom say how much was given back. Where the amounts are known and
-- less than the total came back, the refund was a partial one; rows mean what they say.
with_meaning as (
    select
        evidence.*,
        case
            when
                evidence.effect = 'refunded'
                and evidence.kind = 'event'
                and money.told_refund < money.total
                then 'partially_refunded'
            else evidence.effect
        end as counted_as
    from evidence
    inner join money on evidence.order_id = money.order_id
),

-- The fold order. A row that says refunded implies that there was a purchase.
ordered as (
    select
        with_meaning.*,
        with_meaning.counted_as = 'completed'
        or (
            with_meaning.kind = 'row'
            and with_meaning.counted_as in ('partially_refunded', 'refunded')
        ) as is_purchase,
        row_number() over (
            partition by with_meaning.order_id
            order by
                with_meaning.occurred_at asc,
                coalesce(order_states.state_rank, 0) asc,
                with_meaning.record_id asc
        ) as place
    from with_meaning
    left join order_states on with_meaning.counted_as = order_states.state
),

-- What was met up to each place.
met as (
    select
        *,
        max(case when is_purchase then 1 else 0 end) over so_far as purchases,
        max(case when counted_as = 'cancelled' then 1 else 0 end) over so_far
            as cancellations,
        max(case when counted_as = 'refunded' then 1 else 0 end) over so_far
            as full_refunds,
        max(case when counted_as = 'partially_refunded' then 1 else 0 end) over so_far
            as partial_refunds,
        max(case when counted_as = 'checkout' then 1 else 0 end) over so_far
            as checkouts,
        max(case when counted_as = 'incomplete' then 1 else 0 end) over so_far as carts
    from ordered
    window so_far as (
        partition by order_id
        order by place asc
        rows between unbounded preceding and current row
    )
),

-- States only rise, so the highest that was met is the state; a refund waits for its
-- purchase.
folded as (
    select
        *,
        case
            when cancellations = 1 then 'cancelled'
            when full_refunds + partial_refunds > 0 and purchases = 0
                then 'pending_refund'
            when full_refunds = 1 then 'refunded'
            when partial_refunds = 1 then 'partially_refunded'
            when purchases = 1 then 'completed'
            when checkouts = 1 then 'checkout'
            when carts = 1 then 'incomplete'
            else 'unknown'
        end as state_after
    from met
),

-- Whose order it is: a person before a cookie, the purchase before the cart, the server
-- before the browser, then the earliest. The most believed copy dates the purchase.
ranked as (
    select
        *,
        lag(state_after) over (partition by order_id order by place asc)
            as state_before,
        first_value(state_after) over (partition by order_id order by place desc)
            as state,
        row_number() over (
            partition by order_id
            order by
                case
                    when profile_kind = 'anchor' then 1
                    when profile_id is not null then 2
                    else 3
                end asc,
                effect_rank desc,
                is_server desc,
                source_priority asc,
                occurred_at asc,
                record_id asc
        ) as owner_rank,
        row_number() over (
            partition by order_id
            order by
                case when source_status is null then 2 else 1 end asc,
                kind desc,
                is_server desc,
                source_priority asc,
                occurred_at desc,
                record_id desc
        ) as status_rank,
        row_number() over (
            partition by order_id
            order by
                case
                    when is_purchase or (kind = 'row' and effect = 'cancelled') then 1
                    else 2
                end asc,
                is_server desc,
                occurred_at asc,
                record_id asc
        ) as purchase_rank
    from folded
),

final as (
    select
        order_id,
        record_id,
        place,
        occurred_at,
        kind,
        counted_as,
        state_before,
        state_after,
        state,
        state_after = state
        and (state_before is null or state_before <> state) as is_state_record,
        owner_rank = 1 and profile_id is not null as is_owner,
        profile_id,
        status_rank = 1 as is_status,
        source_status,
        purchase_rank = 1
        and (is_purchase or (kind = 'row' and effect = 'cancelled')) as is_dated_by
    from ranked
)

select * from final
