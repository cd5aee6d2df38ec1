{{ config(materialized='view') }}

with

sessions as (select * from {{ ref('int_sessions') }}),

server_events as (select * from {{ ref('int_server_events') }}),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_purchase
),

-- Every session that tells of an order, by its own events or by a server's.
told as (
    select
        item.item as order_id,
        sessions.session_id,
        sessions.started_at,
        1 as evidence_rank
    from sessions
    {{ each('sessions.completed_order_ids', 'item') }}
    union all
    select
        server_events.completed_order_id as order_id,
        sessions.session_id,
        sessions.started_at,
        2 as evidence_rank
    from server_events
    inner join sessions on server_events.session_id = sessions.session_id
    where server_events.completed_order_id is not null
),

-- An order belongs to one of them: the browser's own word first, then the earliest.
chosen as (
    select
        order_id,
        session_id,
        row_number() over (
            partition by order_id
            order by evidence_rank asc, started_at asc, session_id asc
        ) as choice
    from told
),

final as (
    select
        chosen.session_id,
        coalesce(orders.currency, 'XXX') as currency,
        cast(count(*) as bigint) as order_count,
        cast(sum(orders.revenue) as decimal(18, 2)) as revenue
    from chosen
    inner join orders on chosen.order_id = orders.order_id
    where chosen.choice = 1
    group by chosen.session_id, coalesce(orders.currency, 'XXX')
)

select * from final
