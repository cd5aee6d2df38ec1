{{ config(materialized='view') }}

with

evidence as (
    select * from {{ ref('int_order_evidence') }}
    where standing = 'counts' and refunded is not null
),

-- One refund may be told more than once under one refund id, and what is told may be
-- the running total of a charge: the largest is what was given back.
told_once as (
    select
        order_id,
        source_id,
        is_server,
        source_priority,
        currency,
        coalesce(refund_id, cast(record_id as {{ dbt.type_string() }})) as refund_key,
        max(refunded) as refunded
    from evidence
    group by
        order_id,
        source_id,
        is_server,
        source_priority,
        currency,
        coalesce(refund_id, cast(record_id as {{ dbt.type_string() }}))
),

by_source as (
    select
        order_id,
        source_id,
        is_server,
        source_priority,
        currency,
        cast(sum(refunded) as decimal(18, 2)) as refunded
    from told_once
    group by order_id, source_id, is_server, source_priority, currency
),

-- Browser and server tell of the same refunds: one source is believed per currency.
ranked as (
    select
        *,
        row_number() over (
            partition by order_id, currency
            order by is_server desc, source_priority asc, source_id asc
        ) as belief
    from by_source
),

final as (
    select
        order_id,
        currency,
        source_id,
        refunded,
        row_number() over (
            partition by order_id
            order by
                is_server desc,
                source_priority asc,
                source_id asc,
                currency asc nulls last
        ) as belief
    from ranked
    where belief = 1
)

select * from final
