with

touched as (select * from {{ ref('int_touched_orders') }}),

events as (select * from {{ ref('int_distinct_events') }}),

event_taxonomy as (select * from {{ ref('event_taxonomy') }}),

records as (select * from {{ ref('int_order_records') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

profiles as (select * from {{ ref('int_profiles') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

order_states as (select * from {{ ref('order_states') }}),

payment_statuses as (select * from {{ ref('payment_statuses') }}),

-- Every event that names an order. Only these few are given their meaning, which is
-- what fct_events gives them.
order_events as (
    select
        events.record_id,
        events.order_id,
        events.source_id,
        events.event_id,
        events.occurred_at,
        'event' as kind,
        'counts' as standing,
        coalesce(sources.is_server, events.channel in ('server', 'webhook'))
            as is_server,
        events.event_name as name,
        event_taxonomy.order_effect as effect,
        cast(null as {{ dbt.type_string() }}) as source_status,
        events.currency,
        events.properties
    from touched
    inner join events on touched.order_id = events.order_id
    left join event_taxonomy
        on
            events.event_type = event_taxonomy.event_type
            and events.event_name_key = event_taxonomy.event_name
    left join sources on events.source_id = sources.source_id
    where events.event_type in ('track', 'page', 'screen')
),

-- Every order and payment as a business system has it, believed like a server.
order_rows as (
    select
        record_id,
        order_id,
        source_id,
        cast(null as {{ dbt.type_string() }}) as event_id,
        occurred_at,
        case when record_type = 'payment' then 'payment' else 'row' end as kind,
        standing,
        true as is_server,
        cast(null as {{ dbt.type_string() }}) as name,
        effect,
        source_status,
        upper({{ json_text('properties', '$.currency') }}) as currency,
        properties
    from records
),

evidence as (
    select * from order_events
    union all
    select * from order_rows
),

-- Each JSON text is read once; dialects call the same amount by several names.
with_texts as (
    select
        *,
        {{ json_texts('properties', [
            '$.gross', '$.subtotal', '$.discount', '$.revenue', '$.shipping',
            '$.tax', '$.total', '$.order_value', '$.value', '$.refunded',
            '$.refund_amount', '$.amount', '$.refund_id', '$.order_status', '$.status',
            '$.DiscountValue',
        ]) }} as texts
    from evidence
),

with_amounts as (
    select
        *,
        try_cast({{ nth('texts', 1) }} as decimal(18, 2)) as gross,
        try_cast({{ nth('texts', 2) }} as decimal(18, 2)) as subtotal,
        abs(
            coalesce(
                try_cast({{ nth('texts', 3) }} as decimal(18, 2)),
                try_cast({{ nth('texts', 16) }} as decimal(18, 2))
            )
        ) as discount,
        try_cast({{ nth('texts', 4) }} as decimal(18, 2)) as revenue,
        try_cast({{ nth('texts', 5) }} as decimal(18, 2)) as shipping,
        try_cast({{ nth('texts', 6) }} as decimal(18, 2)) as tax,
        try_cast({{ nth('texts', 7) }} as decimal(18, 2)) as total,
        coalesce(
            try_cast({{ nth('texts', 8) }} as decimal(18, 2)),
            try_cast({{ nth('texts', 9) }} as decimal(18, 2))
        ) as order_value,
        try_cast({{ nth('texts', 10) }} as decimal(18, 2)) as told_refund,
        coalesce(
            try_cast({{ nth('texts', 11) }} as decimal(18, 2)),
            try_cast({{ nth('texts', 12) }} as decimal(18, 2))
        ) as amount,
        nullif({{ nth('texts', 13) }}, '') as refund_id,
        coalesce(
            source_status,
            nullif(coalesce({{ nth('texts', 14) }}, {{ nth('texts', 15) }}), '')
        ) as status
    from with_texts
),

-- Whose each piece is; only the records at hand are looked up.
owners as (
    select
        evidence.record_id,
        record_profiles.profile_id,
        profiles.profile_kind
    from evidence
    inner join record_profiles on evidence.record_id = record_profiles.record_id
    left join profiles on record_profiles.profile_id = profiles.profile_id
),

final as (
    select
        with_amounts.record_id,
        with_amounts.order_id,
        with_amounts.source_id,
        with_amounts.event_id,
        with_amounts.occurred_at,
        with_amounts.kind,
        with_amounts.standing,
        with_amounts.is_server,
        coalesce(sources.priority, 1000) as source_priority,
        owners.profile_id,
        owners.profile_kind,
        with_amounts.name,
        coalesce(order_states.state, 'unknown') as effect,
        coalesce(order_states.state_rank, 0) as effect_rank,
        with_amounts.status as source_status,
        coalesce(nullif(with_amounts.currency, ''), sources.default_currency)
            as currency,
        with_amounts.gross,
        with_amounts.subtotal,
        with_amounts.discount,
        with_amounts.revenue,
        with_amounts.shipping,
        with_amounts.tax,
        with_amounts.total,
        with_amounts.order_value,
        abs(
            case
                when with_amounts.kind = 'row' then with_amounts.told_refund
                when
                    with_amounts.kind = 'event'
                    and order_states.state in ('partially_refunded', 'refunded')
                    then coalesce(
                        with_amounts.amount,
                        with_amounts.told_refund,
                        with_amounts.total,
                        with_amounts.order_value,
                        with_amounts.revenue
                    )
            end
        ) as refunded,
        with_amounts.refund_id,
        case
            when with_amounts.kind <> 'payment' then null
            when with_amounts.amount is null then 'ignored'
            when with_amounts.effect in ('refunded', 'partially_refunded')
                then 'refunded'
            when with_amounts.effect = 'cancelled' then 'ignored'
            else coalesce(payment_statuses.counts_as, 'paid')
        end as payment_counts_as,
        case when with_amounts.kind = 'payment' then with_amounts.amount end as payment,
        with_amounts.properties
    from with_amounts
    left join owners on with_amounts.record_id = owners.record_id
    left join sources on with_amounts.source_id = sources.source_id
    left join order_states on with_amounts.effect = order_states.state
    left join payment_statuses
        on
            with_amounts.kind = 'payment'
            and lower(with_amounts.source_status) = payment_statuses.status
)

select * from final
