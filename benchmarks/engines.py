"""The two engines: the pipeline on a Spark of this machine and on DuckDB, and steps of it against hand-written Spark SQL.

Memory and CPU are of the process trees, Java's included, from /proc. Of the steps only the cluster's CPU counts: what dbt
costs beside it is the same for any size and is in the pipeline's figure. Every figure checks that both sides agree.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.attribute_fold import FOLD, STORED
from benchmarks.harness import AS_OF, Figure, Usage, dbt, measure, module
from benchmarks.identity import PLAIN, project
from ingestion.settings import Settings, settings
from orchestration.cluster.loopback import Running, environment_of, loopback
from orchestration.cluster.session import Cluster, cluster
from orchestration.cluster.trial import build, differences
from orchestration.logical_time import parse_as_of
from simulator.bulk import write_segments

# One Java process with both cores: the least that Spark can cost here.
MASTER = "local[2]"
# Its heap: driver and executors are one process here.
MEMORY = "8g"
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLED_SECONDS = 0.5
EDGES = """
create table bench.edges using parquet as
select
    abs(xxhash64('e', cast(n / 3.5 as bigint))) as node_a,
    abs(case
        when n % 5 = 0 and n % 97 > 0 then xxhash64('e', cast(n / 3.5 as bigint) + 1)
        else xxhash64(n)
    end) as node_b
from (select id as n from range({edges}))
"""
# Scalars that change or stay, and are removed now and then, under no rule of their own: what nine in ten attributes are.
OBSERVATIONS = """
create table profiles.int_profile_observations using parquet as
select
    concat('p_', abs(xxhash64(n)) % {people}) as profile_id,
    element_at(array('first_name', 'city', 'company', 'score'), cast(1 + n % 4 as int)) as path,
    case when n % 50 = 0 then 'null' else 'scalar' end as kind,
    case when n % 50 > 0 then concat('"', n % 7, '"') end as value,
    timestamp_ntz'2026-01-01 00:00:00' + make_dt_interval(0, 0, 0, abs(xxhash64(n, 1)) % 7000000) as occurred_at,
    'shop' as source_id,
    cast(1 as bigint) as source_priority,
    concat('r', n) as record_id,
    cast(1 as bigint) as place,
    'sent' as sent_path,
    false as is_withdrawn
from (select id as n from range({observations}))
"""
BY_HAND = """
with said as (
    select
        *,
        row_number() over in_order as step_number,
        lag(value) over in_order as old_value
    from profiles.int_profile_observations
    where not is_withdrawn
    window in_order as (
        partition by profile_id, path order by occurred_at, source_priority desc, record_id, place, sent_path
    )
)
select
    profile_id, path, step_number, old_value, value as new_value, occurred_at as changed_at, source_id, record_id,
    lead(occurred_at) over (partition by profile_id, path order by step_number) as superseded_at
from said
where value is distinct from old_value
"""


@dataclass(frozen=True)
class Spent:
    """CPU seconds and the largest resident memory of a process tree while something ran."""

    cpu_seconds: float
    peak_mib: float


def pipeline(folder: Path, events: int, runs: int) -> Figure:
    """Loading, every model and test, and the way home: Spark against DuckDB."""
    landed = folder / "landed"
    print(f"writing {events:,} events …", flush=True)
    write_segments(landed, events=events, seed=7)
    os.environ["MILLRACE_COPY_EVENTS"] = "true"
    on_duckdb, on_spark = [], []
    for _ in range(runs):
        on_duckdb.append(_build(_home(folder, landed, "duckdb"), folder))
        with _spark(folder) as running:
            home = _home(folder, landed, "spark")
            usage, spent = _metered(running, partial(_build, home, folder))
            on_spark.append(_sum(usage, spent))
    differing = [
        *differences(
            _file(folder / "duckdb"),
            _file(folder / "spark"),
        )
    ]
    print(f"public tables that differ: {differing or 'none'}", flush=True)
    return _figure(
        f"pipeline, Spark : DuckDB, {events:,} events",
        events,
        on_spark,
        on_duckdb,
        None,
    )


def identity(folder: Path, edges: int, runs: int) -> Figure:
    """Connected components by the materialization, against the same by hand."""
    project(folder)
    models = folder / "dbt_project/models"
    models.unlink()
    models.mkdir()
    (models / "bench_components.sql").write_text(PLAIN, "utf-8")
    with _spark(folder) as running, cluster(settings()) as connected:
        connected.execute("create schema bench")
        connected.execute(EDGES.format(edges=edges))
        ours, theirs = _in_turn(
            running,
            runs,
            lambda: dbt(folder, "run", project=folder / "dbt_project"),
            lambda: _components_by_hand(connected),
        )
        _agree(connected, "bench.bench_components", "bench.by_hand")
    return _figure(
        f"components on Spark : by hand, {edges:,} edges", edges, ours, theirs, 1.3
    )


def fold(folder: Path, observations: int, runs: int) -> Figure:
    """Lineage of plain attributes by the models' SQL, against SQL that knows of nothing else."""
    with _spark(folder) as running, cluster(settings()) as connected:
        for schema in ("profiles", "seeds"):
            connected.execute(f"create schema {schema}")
        connected.execute(
            OBSERVATIONS.format(
                observations=observations, people=observations // 40 + 1
            )
        )
        connected.execute(
            "create table profiles.int_touched_profiles using parquet as "
            "select distinct profile_id from profiles.int_profile_observations"
        )
        connected.execute(
            "create view profiles.int_record_traits as select * from profiles.int_profile_observations"
        )
        dbt(folder, "seed", "--select", "attribute_rules")
        dbt(folder, "compile", "--full-refresh", "--select", *FOLD)
        compiled = {name: _sql(folder, name) for name in FOLD}
        ours, theirs = _in_turn(
            running,
            runs,
            lambda: _fold(connected, compiled),
            lambda: _write(connected, {"profiles.by_hand": BY_HAND}),
        )
        columns = "profile_id, path, step_number, old_value, new_value, changed_at, source_id, record_id, superseded_at"
        _agree(connected, "profiles.fct_attribute_changes", "profiles.by_hand", columns)
    return _figure(
        f"fold on Spark : by hand, {observations:,} observations",
        observations,
        ours,
        theirs,
        1.3,
    )


def _components_by_hand(connected: Cluster) -> None:
    """Hook to the smallest neighbour, jump twice, contract; then the maps from the last to the first."""
    tables, edges, left = 0, "bench.edges", 1
    maps: list[str] = []
    while left:
        tables += 1
        hooked, jumped, rest = (f"bench.{n}_{tables}" for n in ("hook", "map", "rest"))
        both = f"select node_a as n, node_b as m from {edges} union all select node_b, node_a from {edges}"
        queries = {
            hooked: f"select n, least(n, min(m)) as p from ({both}) where n <> m group by n",
            f"{jumped}_once": f"select a.n, b.p from {hooked} as a join {hooked} as b on a.p = b.n",
            jumped: f"select a.n, b.p from {jumped}_once as a join {jumped}_once as b on a.p = b.n",
            rest: f"""
                select distinct a.p as node_a, b.p as node_b from {edges} as e
                join {jumped} as a on e.node_a = a.n join {jumped} as b on e.node_b = b.n where a.p <> b.p
            """,
        }
        _write(connected, queries)
        maps.append(jumped)
        edges = rest
        left = connected.execute(f"select count(*) from {rest}").rows[0][0]
    labels = maps.pop()
    while maps:
        earlier = maps.pop()
        composed = f"{earlier}_composed"
        query = f"select a.n, coalesce(b.p, a.p) as p from {earlier} as a left join {labels} as b on a.p = b.n"
        _write(connected, {composed: query})
        labels = composed
    query = f"select n as node_id, p as component_id from {labels}"
    _write(connected, {"bench.by_hand": query})


def _fold(connected: Cluster, compiled: Mapping[str, str]) -> None:
    """As dbt would: views where the models are views."""
    for name, sql in compiled.items():
        if name in STORED:
            _write(connected, {f"profiles.{name}": sql})
        else:
            connected.execute(f"create or replace view profiles.{name} as {sql}")


def _write(connected: Cluster, queries: Mapping[str, str]) -> None:
    for table, sql in queries.items():
        connected.execute(f"drop table if exists {table}")
        connected.execute(f"create table {table} using parquet as {sql}")


def _agree(connected: Cluster, ours: str, theirs: str, columns: str = "*") -> None:
    for one, other in ((ours, theirs), (theirs, ours)):
        differing = connected.execute(
            f"select count(*) from (select {columns} from {one} except all select {columns} from {other})"
        ).rows[0][0]
        if differing:
            raise RuntimeError(f"{differing} rows of {one} are not in {other}")


def _in_turn(
    running: Running,
    runs: int,
    subject: Callable[[], object],
    limit: Callable[[], object],
) -> tuple[list[Usage], list[Usage]]:
    """Both in turn, after one of each that makes Java warm."""
    pairs = [
        tuple(_of_cluster(_metered(running, each)[1]) for each in (subject, limit))
        for _ in range(runs + 1)
    ][1:]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def _metered(running: Running, work: Callable[[], Any]) -> tuple[Any, Spent]:
    """What the cluster spends while something is done."""
    pids = [member.pid for member in running.members]
    peak, done = 0.0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(SAMPLED_SECONDS):
            peak = max(peak, sum(map(_resident_mib, _tree(pids))))

    sampler = threading.Thread(target=sample)
    before = _cpu_seconds(pids)
    sampler.start()
    try:
        result = work()
    finally:
        done.set()
        sampler.join()
    return result, Spent(_cpu_seconds(pids) - before, peak)


def _tree(pids: list[int]) -> list[int]:
    """The processes and their descendants."""
    found = list(pids)
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # it ended meanwhile
                continue
    return found


def _cpu_seconds(pids: list[int]) -> float:
    """Of the tree, those that ended included."""
    return sum(map(_ticks, _tree(pids))) / TICKS


def _ticks(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return sum(map(int, told.rpartition(")")[2].split()[11:15]))


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextmanager
def _spark(folder: Path) -> Iterator[Running]:
    """A Spark of this machine that everything in the block uses, dbt included."""
    names = ("MILLRACE_TARGET", "MILLRACE_SPARK_REMOTE")
    with loopback(folder / "cluster", MASTER, MEMORY) as running:
        os.environ |= environment_of(running)
        try:
            yield running
        finally:
            for name in names:
                os.environ.pop(name, None)


def _home(folder: Path, landed: Path, engine: str) -> Path:
    home = folder / engine
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(landed, home / "landing", copy_function=os.link)
    return home


def _build(home: Path, folder: Path) -> Usage:
    os.environ["MILLRACE_HOME"] = str(home)
    return measure(module(__name__), folder / f"{home.name}.log")


def _file(home: Path) -> Path:
    return Settings(home=home).warehouse


def _sql(folder: Path, name: str) -> str:
    return next(folder.glob(f"target/compiled/**/{name}.sql")).read_text("utf-8")


def _of_cluster(spent: Spent) -> Usage:
    return Usage(spent.cpu_seconds, 0, spent.peak_mib)


def _sum(client: Usage, server: Spent) -> Usage:
    return Usage(
        client.cpu_seconds + server.cpu_seconds,
        client.wall_seconds,
        client.peak_mib + server.peak_mib,
    )


def _figure(
    name: str, size: int, ours: list[Usage], theirs: list[Usage], target: float | None
) -> Figure:
    ratios = sorted(
        a.cpu_seconds / b.cpu_seconds for a, b in zip(ours, theirs, strict=True)
    )
    middle = len(ratios) // 2
    subject = sorted(ours, key=lambda usage: usage.cpu_seconds)[middle]
    limit = sorted(theirs, key=lambda usage: usage.cpu_seconds)[middle]
    print(f"peak of the limit: {limit.peak_mib:.0f} MiB", flush=True)
    return Figure(
        name=name,
        unit=f"{subject.cpu_seconds / size * 1e6:.1f} CPU µs",
        subject=subject,
        limit=limit,
        ratio=ratios[middle],
        spread=(ratios[0], ratios[-1]),
        target=target,
    )


FIGURES: dict[str, Callable[[Path, int, int], Figure]] = {
    "engines": pipeline,
    "engines_identity": identity,
    "engines_fold": fold,
}

if __name__ == "__main__":
    build(settings(), parse_as_of(AS_OF))
    sys.exit(0)
