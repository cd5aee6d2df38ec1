"""Orders: the room's refresh after 1 % new events against the room computed from nothing.

Both start from distinct events whose profiles are known. The figure leaves out what dbt costs when nothing is new,
which is the same for any number of events and is printed.
"""

from pathlib import Path

import duckdb

from benchmarks.harness import Figure, dbt, without
from orchestration.warehouse.schema import SESSION, create_raw

ROOM = ("path:models/orders",)
NEW_PER_CENT = 1
# Visits of ten events all over ninety days. Every second one fills a cart, enters the checkout and buys: the browser
# and the server say so, and every tenth order comes back in part. Five visits are one visitor; half of them log in.
EVENTS = """
insert into raw.events by name
with happened as (
    select
        visit,
        step,
        visit * 10 + step as number,
        visit // 5 as visitor,
        timestamp '2026-01-01' + to_microseconds(
            cast(hash(visit + 1) % (90 * 86400000000) as bigint)
        ) + to_seconds(step * 40) as occurred_at,
        case when visit % 2 = 0 then step else 0 end as stage
    from range({visits}) as visits (visit) cross join range(10) as steps (step)
)

select
    uuid() as record_id,
    case when stage = 8 or stage = 9 then 'shop' else 'web' end as source_id,
    occurred_at as received_at,
    'e' || number as event_id,
    'track' as type,
    case
        when stage in (3, 4) then 'Product Added'
        when stage = 5 then 'Checkout Started'
        when stage in (7, 8) then 'Order Completed'
        when stage = 9 and visit % 20 = 0 then 'Order Refunded'
        else 'Product Viewed'
    end as name,
    occurred_at,
    case
        when stage in (8, 9) then [{{'type': 'user_id', 'value': 'u-' || visitor}}]
        else [{{'type': 'anonymous_id', 'value': 'a-' || visitor}}]
            || case
                when visitor % 2 = 0 and stage > 5
                    then [{{'type': 'user_id', 'value': 'u-' || visitor}}]
                else []
            end
    end as identifiers,
    case
        when stage in (3, 4)
            then json_object(
                'order_id', 'o-' || visit, 'product_id', 'p-' || number % 500,
                'name', 'Product ' || number % 500, 'price', 5 + number % 20
            )
        when stage = 5 then json_object('order_id', 'o-' || visit)
        when stage in (7, 8)
            then json_object(
                'order_id', 'o-' || visit, 'currency', 'EUR', 'discount', 1,
                'shipping', 4.9, 'total', 34.9,
                'products', [
                    {{'product_id': 'p-' || visit % 500, 'name': 'Tea', 'price': 10.5, 'quantity': 2}},
                    {{'product_id': 'p-' || visit % 499, 'name': 'Cup', 'price': 10, 'quantity': 1}}
                ]
            )
        when stage = 9 and visit % 20 = 0
            then json_object('order_id', 'o-' || visit, 'amount', 10)
        else json_object(
            'product_id', 'p-' || number % 500, 'name', 'Product ' || number % 500,
            'category', 'Category ' || number % 20
        )
    end as properties,
    '{{}}' as context,
    case when stage in (8, 9) then 'server' else 'client' end as channel,
    'segment' as shape,
    case
        when occurred_at >= quantile_cont(occurred_at, {old_part}) over () then 2 else 1
    end as _load_id
from happened
"""
SOURCES = """
insert into raw.sources by name
select 'web' as source_id, 30 as priority, 'EUR' as default_currency, false as is_server
union all by name
select 'shop' as source_id, 10 as priority, 'EUR' as default_currency, true as is_server
"""


def refresh(folder: Path, events: int, runs: int) -> Figure:
    """One run each: a second one would need the new events to be forgotten."""
    _prepare(folder, events)
    room = ("run", "--threads", "1", "--select", *ROOM)
    limit = dbt(folder, *room)
    idle = dbt(folder, *room).cpu_seconds
    _release(folder)
    subject = dbt(folder, *room)
    print(
        f"with dbt: anew {limit.cpu_seconds:.1f}, nothing new {idle:.1f}, "
        f"{NEW_PER_CENT} % new {subject.cpu_seconds:.1f} CPU s",
        flush=True,
    )
    limit, subject = without(limit, idle), without(subject, idle)
    ratio = subject.cpu_seconds / limit.cpu_seconds
    return Figure(
        name=f"orders after {NEW_PER_CENT} % new events, {events:,} events",
        unit=f"{subject.cpu_seconds / events * 100 * 1e6:.1f} CPU µs a new event",
        subject=subject,
        limit=limit,
        ratio=ratio,
        spread=(ratio, ratio),
        target=0.05,
    )


def _prepare(folder: Path, events: int) -> None:
    """Raw events in a warehouse, the newest held back, and everything that orders are made from."""
    print(f"preparing {events:,} events …", flush=True)
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        create_raw(connection)
        connection.execute(SOURCES)
        connection.execute(
            EVENTS.format(visits=events // 10, old_part=1 - NEW_PER_CENT / 100)
        )
        connection.execute("create schema held_back")
        connection.execute(
            "create table held_back.events as from raw.events where _load_id = 2"
        )
        connection.execute("delete from raw.events where _load_id = 2")
    dbt(folder, "seed")
    _upstream(folder)


def _release(folder: Path) -> None:
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute("insert into raw.events from held_back.events")
    _upstream(folder)


def _upstream(folder: Path) -> None:
    above = [f"+{selected}" for selected in ROOM]
    dbt(folder, "run", "--select", *above, "--exclude", *ROOM)
