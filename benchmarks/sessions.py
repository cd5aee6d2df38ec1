"""Sessions: cutting events into sessions against one window pass that sorts nothing, and a refresh after 1 % new events
against computing everything.

Both start from distinct events whose profiles are known; how these came about is measured elsewhere. The figure of
the refresh leaves out what dbt costs when nothing is new, which is the same for any number of events and is printed.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks.harness import (
    Figure,
    Usage,
    compare,
    dbt,
    measure,
    module,
    without,
)
from orchestration.warehouse.schema import SESSION, create_raw

MODEL = "int_session_events"
ROOM = ("path:models/sessions", "--exclude", "fct_session_revenue")
NEW_PER_CENT = 1
EVENTS_PER_SESSION = 10
SESSIONS_PER_VISITOR = 3
# Ninety days in which sessions begin anywhere; pages follow each other within minutes; one visitor in ten logs in.
EVENTS = """
insert into raw.events by name
with visits as (
    select
        visit,
        hash(visit) % ({visits} // {per_visitor} + 1) as visitor,
        timestamp '2026-01-01' + to_microseconds(
            cast(hash(visit + 1) % (90 * 86400000000) as bigint)
        ) as started_at
    from range({visits}) as numbers (visit)
),

happened as (
    select
        visit * {per_visit} + step as number,
        visitor,
        step,
        visit,
        started_at + to_seconds(step * 20 + hash(visit, step) % 200) as occurred_at
    from visits cross join range({per_visit}) as steps (step)
)

select
    uuid() as record_id,
    'web' as source_id,
    occurred_at as received_at,
    'e' || number as event_id,
    case when step % 3 = 2 then 'track' else 'page' end as type,
    case when step % 3 = 2 then 'Product Viewed' else 'Home' end as name,
    occurred_at,
    [{{'type': 'anonymous_id', 'value': 'a-' || visitor}}]
    || case
        when visitor % 10 = 0 then [{{'type': 'user_id', 'value': 'u-' || visitor}}] else []
    end as identifiers,
    '{{}}' as properties,
    json_object(
        'page', json_object(
            'url', 'https://shop.example/p/' || hash(number) % 1000
            || case when visit % 5 = 0 then '?utm_source=google&utm_medium=cpc' else '' end,
            'referrer', case when visit % 3 = 0 then 'https://www.google.com/' else '' end
        ),
        'userAgent', 'Mozilla/5.0 Chrome/' || visitor % 200
    ) as context,
    'client' as channel,
    'segment' as shape,
    case
        when occurred_at >= quantile_cont(occurred_at, {old_part}) over () then 2 else 1
    end as _load_id
from happened
"""


def cutting(folder: Path, events: int, runs: int) -> Figure:
    """Events to sessions, as the model's own SQL does it from nothing."""
    _prepare(folder, events)
    dbt(folder, "compile", "--full-refresh", "--select", MODEL)
    compiled = next(folder.glob(f"target/compiled/**/{MODEL}.sql"))
    subject, limit, ratios = compare(
        lambda: _statement(folder, compiled.read_text("utf-8")),
        lambda: _statement(folder, ONE_PASS),
        runs,
    )
    return Figure(
        name=f"events → sessions, {events:,} events",
        unit=f"{subject.cpu_seconds / events * 1e6:.2f} CPU µs an event",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
        target=4,
    )


# The same events read and written, and one window over each key that needs no order.
ONE_PASS = """
select
    record_id,
    session_key_id,
    profile_id,
    max(occurred_at) over (partition by session_key_id) as last_at
from identity.fct_profile_events
where session_key_id is not null
"""


def refresh(folder: Path, events: int, runs: int) -> Figure:
    """The room of sessions after 1 % new events, against the room computed from nothing."""
    _prepare(folder, events, new_are_held_back=True)
    room = ("run", "--threads", "1", "--select", *ROOM)
    idle: list[float] = []

    def anew() -> Usage:
        return dbt(folder, *room, "--full-refresh")

    def after_news() -> Usage:
        idle.append(dbt(folder, *room).cpu_seconds)
        _release(folder)
        _upstream(folder)
        return dbt(folder, *room)

    limit, subject = anew(), after_news()
    print(f"dbt with nothing new: {idle[0]:.1f} CPU s", flush=True)
    limit, subject = without(limit, idle[0]), without(subject, idle[0])
    ratio = subject.cpu_seconds / limit.cpu_seconds
    return Figure(
        name=f"sessions after {NEW_PER_CENT} % new events, {events:,} events",
        unit=f"{subject.cpu_seconds / events * 100 * 1e6:.1f} CPU µs a new event",
        subject=subject,
        limit=limit,
        ratio=ratio,
        spread=(ratio, ratio),
        target=0.05,
    )


def _prepare(folder: Path, events: int, *, new_are_held_back: bool = False) -> None:
    """Raw events in a warehouse, seeds, and everything that sessions are made from."""
    print(f"preparing {events:,} events …", flush=True)
    visits = events // EVENTS_PER_SESSION
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        create_raw(connection)
        connection.execute(
            EVENTS.format(
                visits=visits,
                per_visitor=SESSIONS_PER_VISITOR,
                per_visit=EVENTS_PER_SESSION,
                old_part=1 - NEW_PER_CENT / 100,
            )
        )
        if new_are_held_back:
            connection.execute("create schema held_back")
            connection.execute(
                "create table held_back.events as from raw.events where _load_id = 2"
            )
            connection.execute("delete from raw.events where _load_id = 2")
    dbt(folder, "seed")
    _upstream(folder)


def _upstream(folder: Path) -> None:
    dbt(folder, "run", "--select", "+path:models/identity", "+int_ad_rows")


def _release(folder: Path) -> None:
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute("insert into raw.events from held_back.events")


def _statement(folder: Path, sql: str) -> Usage:
    """A query written to a table, in a process of its own."""
    (folder / "query.sql").write_text(sql, "utf-8")
    return measure(module(__name__, str(folder)), folder / "query.log")


def _run(folder: Path) -> None:
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        query = (folder / "query.sql").read_text("utf-8")
        connection.execute(f"create or replace table measured as ({query})")


FIGURES: dict[str, Callable[[Path, int, int], Figure]] = {
    "sessions": cutting,
    "sessions_refresh": refresh,
}

if __name__ == "__main__":
    _run(Path(sys.argv[1]))
