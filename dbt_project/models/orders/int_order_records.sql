{{ config(materialized='view') }}

with

touched as (select * from {{ ref('int_touched_orders') }}),

records as (select * from {{ ref('stg_landing__records') }}),

rows_of_orders as (
    select distinct
        records.source_id,
        records.row_key
    from records
    inner join touched on records.order_id = touched.order_id
    where records.record_type in ('order', 'payment')
),

versions as (
    select
        records.*,
        row_number() over (
            partition by records.source_id, records.row_key
            order by records.record_id desc
        ) as age
    from records
    inner join rows_of_orders
        on
            records.source_id = rows_of_orders.source_id
            and records.row_key = rows_of_orders.row_key
),

-- A row says how things are now: its latest version counts, earlier ones do not, and
-- none when the row is gone.
with_standing as (
    select
        *,
        case
            when
                max(case when age = 1 and op = 'delete' then 1 else 0 end) over (
                    partition by source_id, row_key
                ) = 1 then 'withdrawn'
            when age = 1 then 'counts'
            else 'superseded'
        end as standing
    from versions
),

final as (
    select
        with_standing.record_id,
        with_standing.order_id,
        with_standing.source_id,
        with_standing.record_type,
        coalesce(with_standing.occurred_at, with_standing.received_at) as occurred_at,
        with_standing.source_status,
        with_standing.effect,
        with_standing.properties,
        with_standing.standing
    from with_standing
    inner join touched on with_standing.order_id = touched.order_id
    where with_standing.op = 'upsert'
)

select * from final
