"""The attribute fold against one plain `group by` over the same observations; a refresh of everything kept by record and
by profile after 1 % new observations against computing it from nothing; and the evaluation at as_of.

All start from distinct events whose profiles are known; how these came about is measured elsewhere. The figure of the
refresh leaves out what dbt costs when nothing is new, which is the same for any number of events and is printed.
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

NEW_PER_CENT = 1
TRAITS_PER_EVENT = 5
EVENTS_PER_VISIT = 5
VISITS_PER_PERSON = 4
FOLD = (
    *("int_known_paths", "int_attribute_statements", "int_attribute_steps"),
    *("int_attribute_lists", "int_attribute_unions", "int_attribute_choices"),
    "fct_attribute_changes",
)
STORED = ("int_known_paths", "int_attribute_steps", "fct_attribute_changes")
KEPT = (
    *("int_touched_origins", "int_touched_profiles", "int_record_traits"),
    *("int_profile_observations", *FOLD),
    *("int_profile_days", "int_profile_products"),
    *("int_consent_statements", "int_consent_contacts"),
)
AS_OF_MODEL = "int_profile_attributes"
# Ninety days. Each event tells five things about its person: some settled, some changing, in one of twelve a list, in
# one of fifty a removal; one in ten speaks of consent.
EVENTS = """
insert into raw.events by name
with happened as (
    select
        visit * {per_visit} + step as number,
        hash(visit) % ({visits} // {per_person} + 1) as person,
        timestamp '2026-01-01' + to_microseconds(
            cast(hash(visit + 1) % (90 * 86400000000) as bigint)
        ) + to_seconds(step * 40) as occurred_at
    from range({visits}) as visits (visit)
    cross join range({per_visit}) as steps (step)
)

select
    uuid() as record_id,
    'shop' as source_id,
    occurred_at as received_at,
    'e' || number as event_id,
    'identify' as type,
    occurred_at,
    [{{'type': 'user_id', 'value': 'u-' || person}}] as identifiers,
    '{{"product_id": "p-' || hash(number) % 1000 || '"}}' as properties,
    '{{"firstName": "Person ' || person || '", "score": ' || number % 7
    || ', "language": "' || case when number % 9 = 0 then 'en' else 'de' end
    || '", "address": {{"city": "city ' || hash(person, number // 9) % 500 || '"}}, "interests": '
    || case
        when number % 50 = 0 then 'null'
        when number % 12 = 0 then '["tea", "cups"]'
        else '"' || ['tea', 'coffee', 'cups'][1 + number % 3] || '"'
    end || '}}' as traits,
    case when number % 10 = 0 then '{{"marketing": {{"email": true}}}}' end as consent,
    'server' as channel,
    'segment' as shape,
    case
        when occurred_at >= quantile_cont(occurred_at, {old_part}) over () then 2 else 1
    end as _load_id
from happened
"""
LATEST = """
select
    profile_id,
    path,
    arg_max(value, row(occurred_at, -source_priority, record_id)) as value
from profiles.observed
group by profile_id, path
"""


def fold(folder: Path, observations: int, runs: int) -> Figure:
    """Values and lineage of every attribute, as the models' own SQL does it from nothing."""
    _prepare(folder, observations)
    dbt(folder, "run", "--select", *KEPT)
    dbt(folder, "compile", "--full-refresh", "--select", *FOLD)
    observed = "select * from profiles.int_profile_observations"
    _statements(folder, {"profiles.observed": observed})
    compiled = {f"profiles.{name}": _sql(folder, name) for name in STORED}
    subject, limit, ratios = compare(
        lambda: _statements(folder, compiled),
        lambda: _statements(folder, {"profiles.latest": LATEST}),
        runs,
    )
    return Figure(
        name=f"observations → values and lineage, {observations:,} observations",
        unit=f"{subject.cpu_seconds / observations * 1e6:.2f} CPU µs an observation",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
        target=6,
    )


def refresh(folder: Path, observations: int, runs: int) -> Figure:
    """Everything kept by record and by profile after 1 % new observations, against all of it from nothing."""
    _prepare(folder, observations, new_are_held_back=True)
    kept = ("run", "--threads", "1", "--select", *KEPT)
    limit = dbt(folder, *kept, "--full-refresh")
    idle = dbt(folder, *kept).cpu_seconds
    _release(folder)
    _upstream(folder)
    subject = dbt(folder, *kept)
    print(f"dbt with nothing new: {idle:.1f} CPU s", flush=True)
    limit, subject = without(limit, idle), without(subject, idle)
    ratio = subject.cpu_seconds / limit.cpu_seconds
    return Figure(
        name=f"profiles after {NEW_PER_CENT} % new observations, {observations:,} observations",
        unit=f"{subject.cpu_seconds / observations * 100 * 1e6:.1f} CPU µs a new observation",
        subject=subject,
        limit=limit,
        ratio=ratio,
        spread=(ratio, ratio),
        target=0.05,
    )


def as_of(folder: Path, observations: int, runs: int) -> Figure:
    """The attributes that stand at as_of, looked up in the lineage, against the plain `group by`."""
    _prepare(folder, observations)
    dbt(folder, "run", "--select", *KEPT)
    dbt(folder, "compile", "--select", AS_OF_MODEL)
    observed = "select * from profiles.int_profile_observations"
    _statements(folder, {"profiles.observed": observed})
    standing = {"profiles.standing": _sql(folder, AS_OF_MODEL)}
    subject, limit, ratios = compare(
        lambda: _statements(folder, standing),
        lambda: _statements(folder, {"profiles.latest": LATEST}),
        runs,
    )
    return Figure(
        name=f"lineage → values at as_of, {observations:,} observations",
        unit=f"{subject.cpu_seconds / observations * 1e6:.2f} CPU µs an observation",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
    )


def _prepare(
    folder: Path, observations: int, *, new_are_held_back: bool = False
) -> None:
    """Raw events in a warehouse, seeds, and everything that profiles are made from."""
    print(f"preparing {observations:,} observations …", flush=True)
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        create_raw(connection)
        connection.execute(
            EVENTS.format(
                visits=observations // TRAITS_PER_EVENT // EVENTS_PER_VISIT,
                per_person=VISITS_PER_PERSON,
                per_visit=EVENTS_PER_VISIT,
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
    dbt(folder, "run", "--select", "path:models/staging", "path:models/identity")


def _release(folder: Path) -> None:
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute("insert into raw.events from held_back.events")


def _sql(folder: Path, name: str) -> str:
    return next(folder.glob(f"target/compiled/**/{name}.sql")).read_text("utf-8")


def _statements(folder: Path, queries: dict[str, str]) -> Usage:
    """Queries written to tables one after the other, in a process of their own."""
    script = [
        f"create or replace table {table} as ({sql})" for table, sql in queries.items()
    ]
    (folder / "script.sql").write_text(";\n".join(script), "utf-8")
    return measure(module(__name__, str(folder)), folder / "script.log")


def _run(folder: Path) -> None:
    with duckdb.connect(folder / "millrace.duckdb") as connection:
        connection.execute(SESSION)
        connection.execute((folder / "script.sql").read_text("utf-8"))


FIGURES: dict[str, Callable[[Path, int, int], Figure]] = {
    "attribute_fold": fold,
    "profiles_refresh": refresh,
    "attributes_as_of": as_of,
}

if __name__ == "__main__":
    _run(Path(sys.argv[1]))
