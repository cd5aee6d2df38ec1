"""Identity: the graph against reading its edges, refreshes against solving everything, and a peer on the same edges.

Every edge is an event that names two identifiers. Events are distinct already when the measuring starts, and what dbt
costs when there is nothing to do, which is the same for any number of edges, is left out of every figure and printed.
"""

import csv
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from benchmarks.harness import ROOT, Figure, Usage, dbt, measure, module, without
from orchestration.warehouse.schema import SESSION, create_raw

ROOM = ("path:models/identity",)
# What limits and the hub guard add to plain components: looking for hubs, and solving type by type.
GRAPH = ("int_hub_changes", "int_solved_graph")
CHAIN = 1_000_000
# People have one to six edges: cookies and an account at an e-mail address. One in five hundred uses the cookie of the
# person before, which a limit must keep apart, and twenty junk addresses are typed by a hundred people each.
EVENTS = """
insert into raw.events by name
with people as (
    select person, 1 + hash(person) % 6 as edges from range({people}) as numbers (person)
),

edges as (
    select
        person,
        step,
        case
            when person % 500 = 1 and step = 1 then 'c-' || (person - 1) || '-0'
            else 'c-' || person || '-' || step
        end as cookie,
        case
            when person < 2000 and step = 0 then 'junk' || person % 20 || '@example.org'
            else 'e' || person || '@example.org'
        end as address
    from people cross join range(6) as steps (step)
    where step < edges
)

select
    uuid() as record_id,
    'web' as source_id,
    timestamp '2026-01-01' + to_seconds(person % 7000000) as received_at,
    person || '-' || step as event_id,
    'track' as type,
    'Seen' as name,
    timestamp '2026-01-01' + to_seconds(person % 7000000) as occurred_at,
    case
        when step = 1 and person % 3 = 0
            then [{{'type': 'user_id', 'value': 'u-' || person}}, {{'type': 'email', 'value': address}}]
        when step % 2 = 1
            then [{{'type': 'anonymous_id', 'value': cookie}}, {{'type': 'user_id', 'value': 'u-' || person}}]
        else [{{'type': 'anonymous_id', 'value': cookie}}, {{'type': 'email', 'value': address}}]
    end as identifiers,
    '{{}}' as properties,
    '{{}}' as context,
    case when hash(person, step) % 1000 < 1 then 2 when hash(person, step) % 1000 < 11 then 3 else 1 end as _load_id
from edges
"""
# The least there is to do: read the edges, each end once, write a map.
LEAST = """
create or replace table measured as
select node_id, node_id as component_id
from (
    select node_a as node_id from bench.edges
    union
    select node_b from bench.edges
)
"""
# Cookies at the addresses of their people, and one edge in five to somebody a few people on: components of up to a
# hundred identifiers, a few dozen steps long.
PEOPLE = """
select
    hash('e', n * 2 // 7) >> 1 as node_a,
    case when n % 5 = 0 and n % 97 > 0 then hash('e', n * 2 // 7 + 1) else hash(n) end >> 1 as node_b
from range({}) as t (n)
"""
PLAIN = """
{{ config(materialized='components', schema='bench') }}
select node_a, node_b from bench.edges
"""


def components(folder: Path, edges: int, runs: int) -> Figure:
    """Connected components by contraction, without limits."""
    _prepare_edges(folder, edges)
    return _against_least("components", folder, edges, runs, 2.6, "bench_components")


def limits(folder: Path, edges: int, runs: int) -> Figure:
    """Profiles under limits, and the search for hubs, from edges that are there."""
    _prepare(folder, edges)
    _room(folder, "run", "--select", "+int_solved_graph")
    with _open(folder) as connection:
        connection.execute("create schema if not exists bench")
        connection.execute(
            "create table bench.edges as select distinct centre_id as node_a, "
            "identifier_id as node_b from identity.int_changed_members "
            "where is_usable and centre_id <> identifier_id"
        )
    return _against_least("graph with limits", folder, edges, runs, 5, *GRAPH)


def chain(folder: Path, edges: int, runs: int) -> Figure:
    """One chain in random order: the longest way that anything can be."""
    edges = min(edges, CHAIN)
    _prepare_edges(folder, edges, chain=True)
    return _against_least("chain", folder, edges, runs, None, "bench_components")


def peer(folder: Path, edges: int, runs: int) -> Figure:
    """Splink's clustering of the same edges (`pip install 'millrace[bench]'`)."""
    ours = components(folder, edges, runs).subject
    theirs = measure(module(__name__, str(folder), "splink"), folder / "splink.log")
    nothing = measure(module(__name__, str(folder), "import"), folder / "splink.log")
    theirs = without(theirs, nothing.cpu_seconds)
    return _figure(f"components : Splink, {edges:,} edges", edges, ours, theirs, 0.2)


def _refresh(
    name: str, target: float, news: Callable[[Path], None]
) -> Callable[[Path, int, int], Figure]:
    def figure(folder: Path, edges: int, runs: int) -> Figure:
        idle = _idle(folder)
        _prepare(folder, edges, loads=(1, 3) if "0.1" in name else (1, 2))
        anew = _room(folder, "run", "--select", *ROOM)
        _land_facts(folder)
        _room(folder, "run", "--select", *ROOM)
        news(folder)
        after = _room(folder, "run", "--select", *ROOM)
        with _open(folder) as connection:
            ((closure, sets),) = connection.execute(
                "select (select count(*) from identity.int_affected_sets), "
                "(select count(*) from identity.int_identifier_sets)"
            ).fetchall()
        print(f"solved anew: {closure:,} of {sets:,} sets", flush=True)
        return _figure(
            f"identity {name}, {edges:,} edges",
            edges,
            without(after, idle.cpu_seconds),
            without(anew, idle.cpu_seconds),
            target,
        )

    figure.__doc__ = f"The room of identity {name}, against solving everything."
    return figure


def _release(load_id: int) -> Callable[[Path], None]:
    def release(folder: Path) -> None:
        with _open(folder) as connection:
            connection.execute(
                f"insert into raw.events from held_back.events where _load_id = {load_id}"
            )
        _upstream(folder)

    return release


def _block(folder: Path) -> None:
    path = folder / "dbt_project/seeds/blocked_identifiers.csv"
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = (
            ["email", "exact", f"e{n * 7}@example.org", "junk"] for n in range(1000)
        )
        csv.writer(file, lineterminator="\n").writerows(rows)
    _room(folder, "seed", "--select", "blocked_identifiers")


def _against_least(
    name: str, folder: Path, edges: int, runs: int, target: float | None, *models: str
) -> Figure:
    subjects, leasts = [], []
    with _no_edges(folder):
        _room(folder, "parse")  # once for all that follow
        idle = min(
            _room(folder, "run", "--empty", "--select", *models).cpu_seconds
            for _ in range(2)
        )
        start = _statement(folder, "select 1").cpu_seconds
    for _ in range(runs):
        subjects.append(without(_room(folder, "run", "--select", *models), idle))
        leasts.append(without(_statement(folder, LEAST), start))
    print(
        f"with nothing to do: dbt {idle:.1f}, the limit {start:.1f} CPU s", flush=True
    )
    ratios = sorted(
        s.cpu_seconds / x.cpu_seconds for s, x in zip(subjects, leasts, strict=True)
    )
    middle = len(ratios) // 2
    subject = sorted(subjects, key=_cpu)[middle]
    least = sorted(leasts, key=_cpu)[middle]
    return Figure(
        name=f"{name}, {edges:,} edges",
        unit=f"{subject.cpu_seconds / edges * 1e6:.2f} CPU µs an edge",
        subject=subject,
        limit=least,
        ratio=ratios[middle],
        spread=(ratios[0], ratios[-1]),
        target=target,
    )


@contextmanager
def _no_edges(folder: Path) -> Iterator[None]:
    """Bare edges are no model, so dbt's --empty does not leave them out."""
    with _open(folder) as connection:
        connection.execute("alter table bench.edges rename to put_away")
        connection.execute("create table bench.edges as from bench.put_away limit 0")
    yield
    with _open(folder) as connection:
        connection.execute("drop table bench.edges")
        connection.execute("alter table bench.put_away rename to edges")


def _figure(
    name: str, edges: int, subject: Usage, limit: Usage, target: float
) -> Figure:
    ratio = subject.cpu_seconds / limit.cpu_seconds
    unit = f"{subject.cpu_seconds / edges * 1e6:.2f} CPU µs an edge"
    return Figure(name, unit, subject, limit, ratio, (ratio, ratio), target)


def _idle(folder: Path) -> Usage:
    """What the room costs in a warehouse that nothing ever came into."""
    (folder / "idle").mkdir()
    _prepare(folder / "idle", 0)
    _room(folder / "idle", "run", "--select", *ROOM)
    idle = _room(folder / "idle", "run", "--select", *ROOM)
    print(f"dbt in an empty warehouse: {idle.cpu_seconds:.1f} CPU s", flush=True)
    return idle


def _land_facts(folder: Path) -> None:
    """The ledger knows what the first refresh found out, as after any refresh."""
    with _open(folder) as connection:
        connection.execute(
            "insert into raw.identity_changes by name select *, uuid() as record_id, "
            "'millrace' as source_id, as_of as received_at, 4 as _load_id "
            "from identity.identity_changes_pending"
        )


def _prepare(folder: Path, edges: int, loads: tuple[int, ...] = (1, 2, 3)) -> None:
    """A warehouse whose events are distinct, with those of other loads held back."""
    print(f"preparing {edges:,} edges …", flush=True)
    project(folder)
    with _open(folder) as connection:
        create_raw(connection)
        connection.execute(EVENTS.format(people=int(edges / 3.5)))
        kept = ", ".join(map(str, loads))
        connection.execute("create schema held_back")
        connection.execute(
            f"create table held_back.events as from raw.events where _load_id not in ({kept})"
        )
        connection.execute(f"delete from raw.events where _load_id not in ({kept})")
        # The new ones came last, whatever their number was here.
        connection.execute("update held_back.events set _load_id = 4")
    _room(folder, "seed")
    _upstream(folder)


def _prepare_edges(folder: Path, edges: int, *, chain: bool = False) -> None:
    """The same graph, or a chain in random order, as bare pairs of keys."""
    project(folder)
    (folder / "dbt_project/models").unlink()
    (folder / "dbt_project/models").mkdir()
    (folder / "dbt_project/models/bench_components.sql").write_text(PLAIN, "utf-8")
    ends = (
        "select hash(n) >> 1 as node_a, hash(n + 1) >> 1 as node_b from range({}) as t (n)"
        if chain
        else PEOPLE
    )
    with _open(folder) as connection:
        connection.execute("create schema if not exists bench")
        connection.execute(
            "create or replace table bench.edges as select node_a::bigint as node_a, "
            f"node_b::bigint as node_b from ({ends.format(edges)}) order by hash(node_b)"
        )


def project(folder: Path) -> None:
    project = folder / "dbt_project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    for name in ("models", "macros", "tests", "dbt_project.yml", "profiles.yml"):
        (project / name).symlink_to(ROOT / "dbt_project" / name)
    shutil.copytree(ROOT / "dbt_project/seeds", project / "seeds")


def _upstream(folder: Path) -> None:
    _room(folder, "run", "--select", "path:models/staging")


def _room(folder: Path, *arguments: str) -> Usage:
    project = folder / "dbt_project"
    return dbt(folder, *arguments, "--threads", "1", project=project)


def _statement(folder: Path, sql: str) -> Usage:
    (folder / "query.sql").write_text(sql, "utf-8")
    return measure(module(__name__, str(folder), "query"), folder / "query.log")


def _open(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(folder / "millrace.duckdb")
    connection.execute(SESSION)
    return connection


def _cpu(usage: Usage) -> float:
    return usage.cpu_seconds


def _run(folder: Path, what: str) -> None:
    """In a process of its own: a query, or the peer."""
    with _open(folder) as connection:
        if what == "query":
            connection.execute((folder / "query.sql").read_text("utf-8"))
            return
        from splink import DuckDBAPI
        from splink.clustering import cluster_pairwise_predictions_at_threshold

        if what == "splink":
            connection.execute(
                "create or replace view nodes as select node_a as id from bench.edges "
                "union select node_b from bench.edges"
            )
            cluster_pairwise_predictions_at_threshold(
                nodes="nodes",
                edges="(select node_a as id_l, node_b as id_r from bench.edges)",
                db_api=DuckDBAPI(connection),
                node_id_column_name="id",
            )


FIGURES: dict[str, Callable[[Path, int, int], Figure]] = {
    "identity_components": components,
    "identity_limits": limits,
    "identity_chain": chain,
    "identity_peer": peer,
    "identity_refresh": _refresh("after 1 % new edges", 0.1, _release(4)),
    "identity_refresh_small": _refresh("after 0.1 % new edges", 0.05, _release(4)),
    "identity_block": _refresh("after blocking 1,000 identifiers", 0.1, _block),
}

if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2])
