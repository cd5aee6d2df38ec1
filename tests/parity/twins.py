"""One landing zone, two engines: the warehouse in a DuckDB file and on a cluster, and what is not the same in them.

Tables are held against each other as the engines store them, their types included. What is public is in
tests/end_to_end/platform.py; how a cluster is started, in tests/integration/clusters.py and orchestration/cluster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from signal import SIGKILL
from time import sleep

import duckdb

from ingestion.settings import Settings
from orchestration.cluster import loading as cluster_loading
from orchestration.cluster.session import Cluster, cluster
from orchestration.warehouse import loading
from orchestration.warehouse.engines import built
from orchestration.warehouse.publishing import publish
from orchestration.warehouse.schema import SESSION
from tests.conftest import ROOT
from tests.dbt import dbt, started, target
from tests.end_to_end.platform import public_models

# What Spark has no type of its own for is text there, as it was landed.
TYPES = {"JSON": "VARCHAR", "UUID": "VARCHAR"}
SHOWN = 3


@dataclass(frozen=True)
class Twins:
    """The same home twice: `here` with a DuckDB file, `there` with a cluster."""

    here: Settings
    there: Settings
    as_of: datetime

    def build_here(self, *more: str) -> None:
        loading.load(self.here)
        self.dbt(*_BUILD, *more)

    def build_there(self, *more: str) -> None:
        cluster_loading.load(self.there)
        self.here.warehouse.parent.mkdir(parents=True, exist_ok=True)
        self.dbt(*_BUILD, *more, there=True)

    def refresh_there(self) -> None:
        """Load, build, bring home and publish, as the job does."""
        self.build_there()
        dbt(
            self.here.warehouse,
            *("parse", "--quiet"),
            as_of=self._as_of,
            artifacts=True,
            cluster=self.there,
        )
        built(self.there, target(self.there.target) / "manifest.json")
        publish(self.there)

    def dbt(self, *arguments: str, there: bool = False) -> str:
        return dbt(
            self.here.warehouse,
            *arguments,
            as_of=self._as_of,
            cluster=self.there if there else None,
        )

    def die_there(self, replaced: str) -> None:
        """Build on the cluster and be killed as soon as there is something to put in the place of a table."""
        cluster_loading.load(self.there)
        process = started(
            self.here.warehouse,
            *_BUILD,
            as_of=self._as_of,
            cluster=self.there,
        )
        with cluster(self.there) as connected:
            while process.is_alive() and not connected.has(f"{replaced}__next"):
                sleep(0.05)  # each question costs the driver as much as a small job
        process.kill()
        process.join()
        assert process.exitcode == -SIGKILL, f"{replaced} was not replaced"

    def tear_there(self, replaced: str) -> None:
        """What a kill leaves of a table that is being replaced: nothing of it, and whole beside it what takes its place."""
        with cluster(self.there) as connected:
            connected.execute(
                f"create table {replaced}__next using parquet as select * from {replaced}"
            )
            connected.execute(
                f"insert overwrite table {replaced} select * from {replaced}__next where 1 = 0"
            )
            assert connected.execute(f"select * from {replaced}").rows == []

    def differences(self) -> list[str]:
        """A sentence for each seed and public table that is not the same."""
        with cluster(self.there) as connected, self.file() as connection:
            return [
                sentence
                for name in [*seeds(), *public_models()]
                for sentence in compare(connection, connected, name)
            ]

    @property
    def _as_of(self) -> str:
        return f"{self.as_of:%Y-%m-%dT%H:%M:%S}"

    def file(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self.here.warehouse, read_only=True)
        connection.execute(SESSION)
        return connection


def compare(
    connection: duckdb.DuckDBPyConnection, connected: Cluster, name: str
) -> Iterator[str]:
    """What a table has on one engine alone. Columns with a leading underscore are about the run."""
    connection.register("there", connected.session.table(name).toArrow())
    here = {n: TYPES.get(kind, kind) for n, kind in _columns(connection, name)}
    there = dict(_columns(connection, "there"))
    if here != there:
        both = sorted({*here.items()} ^ {*there.items()})
        yield f"{name}: {', '.join(f'{column} {kind}' for column, kind in both)}"
        return
    mine = ", ".join(f'cast("{n}" as {kind}) as "{n}"' for n, kind in here.items())
    names = ", ".join(f'"{n}"' for n in here)
    for engine, sql in {
        "DuckDB": f"select {mine} from {name} except all select {names} from there",
        "the cluster": f"select {names} from there except all select {mine} from {name}",
    }.items():
        rows = connection.execute(f"from ({sql}) order by all").fetchall()
        if rows:
            shown = "\n    ".join(map(str, rows[:SHOWN]))
            yield f"{name}: {len(rows)} rows only on {engine}\n    {shown}"


def seeds() -> list[str]:
    """Every seed that there is."""
    return [
        f"seeds.{p.stem}" for p in sorted((ROOT / "dbt_project/seeds").glob("*.csv"))
    ]


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    described = connection.execute(f"describe {name}").fetchall()
    return [(n, kind) for n, kind, *_ in described if not n.startswith("_")]


_BUILD = ("build", "--quiet", "--resource-type", "seed", "--resource-type", "model")
