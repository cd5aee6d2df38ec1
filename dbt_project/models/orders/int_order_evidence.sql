with

events as (select * from {{ ref('fct_profile_events') }}),

records as (select * from {{ ref('int_current_records') }}),

record_profiles as (select * from {{ ref('int_record_profiles') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

order_states as (select * from {{ ref('order_states') }}),

-- Every event that names an order.
order_events as (
    select
        record_id,
        order_id,
        profile_id,
        source_id,
        occurred_at,
        false as is_row,
        is_server,
        order_effect as effect,
        cast(null as {{ dbt.type_string() }}) as source_status,
        currency,
        properties
    from events
    where order_id is not null and event_type in ('track', 'page', 'screen')
),

-- Every order as a business system has it; such a system is believed like a server.
order_rows as (
    select
        records.record_id,
        records.order_id,
        record_profiles.profile_id,
        records.source_id,
        records.occurred_at,
        true as is_row,
        true as is_server,
        records.effect,
        records.source_status,
        upper({{ json_text('records.properties', '$.currency') }}) as currency,
        records.properties
    from records
    left join record_profiles on records.record_id = record_profiles.record_id
    where records.record_type = 'order' and records.order_id is not null
),

evidence as (
    select * from order_events
    union all
    select * from order_rows
),

with_texts as (
    select
        *,
        {{ json_texts('properties', [
            '$.gross', '$.subtotal', '$.discount', '$.revenue', '$.shipping',
            '$.tax', '$.total', '$.order_value', '$.value', '$.refunded',
            '$.refund_amount', '$.amount', '$.refund_id', '$.order_status', '$.status',
        ]) }} as texts
    from evidence
),

with_amounts as (
    select
        *,
        try_cast({{ nth('texts', 1) }} as decimal(18, 2)) as gross,
        try_cast({{ nth('texts', 2) }} as decimal(18, 2)) as subtotal,
        abs(try_cast({{ nth('texts', 3) }} as decimal(18, 2))) as discount,
        try_cast({{ nth('texts', 4) }} as decimal(18, 2)) as revenue,
        try_cast({{ nth('texts', 5) }} as decimal(18, 2)) as shipping,
        try_cast({{ nth('texts', 6) }} as decimal(18, 2)) as tax,
        try_cast({{ nth('texts', 7) }} as decimal(18, 2)) as total,
        coalesce(
            try_cast({{ nth('texts', 8) }} as decimal(18, 2)),
            try_cast({{ nth('texts', 9) }} as decimal(18, 2))
        ) as order_value,
        try_cast({{ nth('texts', 10) }} as decimal(18, 2)) as refunded,
        coalesce(
            try_cast({{ nth('texts', 11) }} as decimal(18, 2)),
            try_cast({{ nth('texts', 12) }} as decimal(18, 2))
        ) as amount,
        nullif({{ nth('texts', 13) }}, '') as refund_id,
        nullif(
            coalesce({{ nth('texts', 14) }}, {{ nth('texts', 15) }}), ''
        ) as property_status
    from with_texts
),

final as (
    select
        with_amounts.record_id,
        with_amounts.order_id,
        with_amounts.profile_id,
        with_amounts.source_id,
        with_amounts.occurred_at,
        with_amounts.is_row,
        with_amounts.is_server,
        coalesce(sources.priority, 1000) as source_priority,
        coalesce(order_states.state, 'unknown') as effect,
        coalesce(order_states.state_rank, 0) as effect_rank,
        coalesce(with_amounts.source_status, with_amounts.property_status)
            as source_status,
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
                when with_amounts.is_row then with_amounts.refunded
                when order_states.state in ('partially_refunded', 'refunded')
                    then coalesce(
                        with_amounts.amount,
                        with_amounts.refunded,
                        with_amounts.total,
                        with_amounts.order_value,
                        with_amounts.revenue
                    )
            end
        ) as refunded,
        with_amounts.refund_id,
        with_amounts.properties
    from with_amounts
    left join sources on with_amounts.source_id = sources.source_id
    left join order_states on with_amounts.effect = order_states.state
)

select * from final
