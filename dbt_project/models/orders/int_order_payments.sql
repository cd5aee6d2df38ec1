with

records as (select * from {{ ref('int_current_records') }}),

payment_statuses as (select * from {{ ref('payment_statuses') }}),

sources as (select * from {{ ref('stg_landing__sources') }}),

payments as (
    select
        records.order_id,
        records.record_id,
        coalesce(
            upper(nullif({{ json_text('records.properties', '$.currency') }}, '')),
            sources.default_currency
        ) as currency,
        try_cast({{ json_text('records.properties', '$.amount') }} as decimal(18, 2))
            as amount,
        case
            when records.effect in ('refunded', 'partially_refunded') then 'refunded'
            when records.effect = 'cancelled' then 'ignored'
            else coalesce(payment_statuses.counts_as, 'paid')
        end as counts_as
    from records
    left join payment_statuses
        on lower(records.source_status) = payment_statuses.status
    left join sources on records.source_id = sources.source_id
    where records.record_type = 'payment' and records.order_id is not null
),

final as (
    select
        order_id,
        currency,
        cast(
            sum(case when counts_as = 'paid' then amount end) as decimal(18, 2)
        ) as paid,
        cast(
            sum(case when counts_as = 'refunded' then abs(amount) end) as decimal(18, 2)
        ) as refunded,
        count(*) as payment_count
    from payments
    where counts_as <> 'ignored' and amount is not null
    group by order_id, currency
)

select * from final
