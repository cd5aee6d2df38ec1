with

orders as (
    select * from {{ ref('fct_orders') }}
    where is_purchase
),

touchpoints as (select * from {{ ref('fct_touchpoints') }}),

numbered_orders as (
    select
        order_id,
        profile_id,
        ordered_at,
        coalesce(currency, 'XXX') as currency,
        coalesce(revenue, 0) as revenue,
        profile_id is not null
        and row_number() over (
            partition by profile_id
            order by ordered_at asc nulls last, order_id asc
        ) = 1 as is_new_customer
    from orders
),

-- The visits of the buyer that may have led to the order, in their order.
paths as (
    select
        numbered_orders.order_id,
        numbered_orders.revenue,
        touchpoints.session_id,
        touchpoints.touched_at,
        touchpoints.channel,
        touchpoints.source,
        touchpoints.medium,
        touchpoints.campaign,
        touchpoints.is_direct,
        row_number() over (
            partition by numbered_orders.order_id
            order by touchpoints.touched_at asc, touchpoints.session_id asc
        ) as position
    from numbered_orders
    inner join touchpoints
        on
            numbered_orders.profile_id = touchpoints.profile_id
            and touchpoints.touched_at <= numbered_orders.ordered_at
            and touchpoints.touched_at
            > numbered_orders.ordered_at
            - interval {{ var('attribution_window_days') }} day
),

with_length as (
    select
        *,
        count(*) over (partition by order_id) as path_length,
        max(case when not is_direct then position end) over (partition by order_id)
            as last_non_direct,
        max(touched_at) over (partition by order_id) as last_touched_at
    from paths
),

attribution_models as (
    select 'first' as model
    union all
    select 'last' as model
    union all
    select 'last_non_direct' as model
    union all
    select 'linear' as model
    union all
    select 'position' as model
    union all
    select 'time_decay' as model
),

-- Shares as whole numbers, which add up without rounding. Position is 40 per cent each
-- for the first and the last, the rest for those between. Time decay counts from the
-- last visit: counted from the order, all shares would shrink by one factor.
shares as (
    select
        with_length.*,
        attribution_models.model,
        cast(
            case attribution_models.model
                when 'first' then case when position = 1 then 1 else 0 end
                when 'last' then case when position = path_length then 1 else 0 end
                when 'last_non_direct'
                    then
                        case
                            when position = coalesce(last_non_direct, path_length)
                                then 1
                            else 0
                        end
                when 'linear' then 1
                when 'position'
                    then
                        case
                            when path_length <= 2 then 1
                            when position in (1, path_length)
                                then 2 * (path_length - 2)
                            else 1
                        end
                else
                    round(
                        1000000000000 * pow(
                            2.0,
                            cast(
                                {{ epoch_micros('touched_at') }}
                                - {{ epoch_micros('last_touched_at') }}
                                as double
                            )
                            / ({{ var('attribution_half_life_days') }} * 86400000000.0)
                        )
                    )
            end as bigint
        ) as share
    from with_length
    cross join attribution_models
),

-- A weight is the difference of two rounded running totals, the last of which is 1: so
-- weights add up to 1 and amounts to the order's revenue, to the cent.
running as (
    select
        *,
        sum(share) over (
            partition by order_id, model
            order by position asc
            rows between unbounded preceding and current row
        ) as share_until,
        sum(share) over (partition by order_id, model) as all_shares
    from shares
    where share > 0
),

parts as (
    select
        *,
        cast(
            round(cast(share_until as double) / cast(all_shares as double), 10)
            as decimal(11, 10)
        ) as part_until,
        cast(
            round(cast(share_until - share as double) / cast(all_shares as double), 10)
            as decimal(11, 10)
        ) as part_before
    from running
),

credited as (
    select
        order_id,
        model,
        session_id,
        channel,
        source,
        medium,
        campaign,
        position,
        path_length,
        cast(part_until - part_before as decimal(11, 10)) as weight,
        cast(
            round(revenue * part_until, 2) - round(revenue * part_before, 2)
            as decimal(18, 2)
        ) as revenue
    from parts
),

-- An order that no visit led to is a row as well, so that sums lose nothing.
final as (
    select
        numbered_orders.order_id,
        attribution_models.model,
        credited.session_id,
        numbered_orders.profile_id,
        numbered_orders.ordered_at,
        numbered_orders.is_new_customer,
        coalesce(credited.channel, 'Unattributed') as channel,
        credited.source,
        credited.medium,
        credited.campaign,
        cast(credited.position as bigint) as position,
        cast(coalesce(credited.path_length, 0) as bigint) as path_length,
        cast(coalesce(credited.weight, 1) as decimal(11, 10)) as weight,
        numbered_orders.currency,
        cast(coalesce(credited.revenue, numbered_orders.revenue) as decimal(18, 2))
            as revenue
    from numbered_orders
    cross join attribution_models
    left join credited
        on
            numbered_orders.order_id = credited.order_id
            and attribution_models.model = credited.model
)

select * from final
