"""What comes home from the cluster after a refresh: the DuckDB file that everything beside the warehouse works with.

Own facts, plans, the relay, explanations and analysts read it (through the read copy) as if DuckDB had computed it. It
holds what people and destinations ask for; events and what has as many rows as they have stay on the cluster.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.audience.rendering import model_file, relation_of, rendered
from orchestration.cluster.session import Cluster, cluster
from orchestration.relay.copy import MODELS
from orchestration.warehouse.schema import SESSION, raw_tables

# Own facts and the loader's books.
RAW = {"loads", "load_rejects", "sources", "journeys", "deliveries"}
RAW |= {"membership_changes", "journey_decisions", "privacy_requests"}
# Rooms of which only what is public comes home: their steps have as many rows as there are events.
WORKSHOPS = {"staging", "identity", "profiles", "sessions", "orders"}
PUBLIC = ("dim_", "fct_", "identity_changes_pending")
# Public, and still a row per event.
EVENTS = {"fct_events", "fct_row_changes", "fct_profile_events"}
# Steps that are asked for by name: by plans, explanations, the relay; and whose a record is, a narrow row for each,
# because whoever asks to be erased must be told apart before the next delivery.
ASKED_FOR = {
    "int_record_profiles",
    "stg_landing__deliveries",
    "stg_landing__journey_decisions",
    "int_candidate_identifiers",
    "int_identifier_rules",
    "int_identifier_sets",
    "int_profile_attributes",
    "int_set_profiles",
}
# What a column of this name is on DuckDB, whether or not a model declares it.
TYPES = {"record_id": "uuid"}
# Rows that are fetched at once. A wide row is a kilobyte. Valid: 10,000 and up.
FETCHED = 500_000
# Where the cluster lays out a large relation by parts; gone when they are fetched.
SHELF, PART = "going_home", "_part"
ANY_TIME = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Relation:
    """What the cluster has; `kinds` are the types it has on DuckDB, as far as they are declared."""

    schema: str
    name: str
    kinds: Mapping[str, str]
    is_home: bool
    is_table: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def bring_home(
    settings: Settings, manifest: Path, at_once: int = FETCHED
) -> dict[str, int]:
    """Put the file in place; the rows of what came home, and of the tables that stay."""
    with cluster(settings) as connected, _draft(settings) as connection:
        relations = [*_relations(connected, settings, manifest)]
        rows = {}
        for relation in relations:
            connection.execute(f"create schema if not exists {relation.schema}")
            if relation.is_home:
                rows[str(relation)] = _fetch(connected, connection, relation, at_once)
        staying = [str(each) for each in relations if not each.is_home]
        rows |= _counted(
            connected, [str(r) for r in relations if not r.is_home and r.is_table]
        )
        connection.execute("create table raw.on_the_cluster (relation varchar)")
        if staying:
            connection.execute(
                "insert into raw.on_the_cluster select unnest(?::varchar[])", [staying]
            )
        _keep_newest(connected, connection)
        _keep_sql(connection)
    return rows


def bring(settings: Settings, relation: str) -> None:
    """One relation into the file as it is, if the cluster has it."""
    schema, _, name = relation.partition(".")
    with cluster(settings) as connected, duckdb.connect(settings.warehouse) as file:
        if name in _there(connected, schema):
            file.execute(f"create schema if not exists {schema}")
            _fetch(connected, file, Relation(schema, name, {}, True, True))


def forget(settings: Settings) -> None:
    """Drop our schemas on the cluster: those of raw, the seeds, the way home and the project's rooms."""
    models = settings.dbt_project_dir / "models"
    rooms = [path.name for path in models.iterdir() if path.is_dir()]
    with cluster(settings) as connected:
        for schema in ["raw", "seeds", SHELF, *sorted(rooms)]:
            connected.execute(f"drop schema if exists {schema} cascade")


@contextmanager
def _draft(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new file beside the one of the last refresh, whose place it takes when it is whole."""
    file = settings.warehouse.parent / "draft" / settings.warehouse.name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with duckdb.connect(file) as connection:
        connection.execute(SESSION)
        yield connection
        connection.execute("checkpoint")
    file.replace(settings.warehouse)


def _relations(
    connected: Cluster, settings: Settings, manifest: Path
) -> Iterator[Relation]:
    """Those that are there, however far dbt came."""
    there = {str(name) for name in _there(connected, "raw")}
    for name, kinds in raw_tables().items():
        if name in there:
            is_home = settings.copy_events or name in RAW
            yield Relation("raw", name, kinds, is_home, is_table=False)
    nodes = json.loads(manifest.read_text("utf-8"))["nodes"].values()
    built = [n for n in nodes if n["resource_type"] in ("model", "seed")]
    also = {
        name.rpartition(".")[2]
        for node in built
        if node["name"] in MODELS
        for name in node["depends_on"]["nodes"]
    }
    for schema in sorted({node["schema"] for node in built}):
        there = _there(connected, schema)
        for node in built:
            if node["schema"] == schema and node["alias"] in there:
                kinds = {
                    name: column["data_type"] or ""
                    for name, column in node["columns"].items()
                }
                is_home = settings.copy_events or is_wanted(schema, node["name"], also)
                is_table = node["config"]["materialized"] != "view"
                yield Relation(schema, node["alias"], kinds, is_home, is_table)


def is_wanted(schema: str, name: str, also: set[str]) -> bool:
    """Whether a model or seed comes home."""
    if name in ASKED_FOR or name in also:
        return True
    if name in EVENTS:
        return False
    return schema not in WORKSHOPS or name.startswith(PUBLIC)


def _there(connected: Cluster, schema: str) -> set[str]:
    schemas = {row[0] for row in connected.execute("show schemas").rows}
    if schema not in schemas:
        return set()
    return {row[1] for row in connected.execute(f"show tables in {schema}").rows}


def _fetch(
    connected: Cluster,
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    at_once: int = FETCHED,
) -> int:
    """Copy a relation, in parts when it is large; how many rows it has."""
    table = connected.session.table(str(relation))
    columns = ", ".join(
        f'cast("{name}" as {kind}) as "{name}"' if kind else f'"{name}"'
        for name, kind in (
            (n, relation.kinds.get(n) or TYPES.get(n)) for n in table.columns
        )
    )
    verb, rows = f"create table {relation} as", 0
    for part in _parts(connected, relation, table, at_once):
        fetched = part.toArrow()
        connection.register("fetched", fetched)
        connection.execute(f"{verb} select {columns} from fetched")
        connection.unregister("fetched")
        verb, rows = f"insert into {relation}", rows + len(fetched)
    return rows


def _parts(
    connected: Cluster, relation: Relation, table: Any, at_once: int
) -> Iterator[Any]:
    """The table, in parts of about so many rows when it is large: read and laid out by part once, then each part once.

    All in one answer would be more than a driver hands out (`spark.driver.maxResultSize`); asking the relation for each
    part anew would compute it, where it is a view, as often as there are parts.
    """
    ((rows,),) = connected.execute(f"select count(*) from {relation}").rows
    count = -(-rows // at_once)
    if count <= 1:
        yield table
        return
    shelf = f"{SHELF}.{relation.name}"
    connected.execute(f"drop schema if exists {SHELF} cascade")
    connected.execute(f"create schema {SHELF}")
    connected.execute(
        f"create table {shelf} using parquet partitioned by ({PART}) as "
        f"select *, pmod(monotonically_increasing_id(), {count}) as {PART} from {relation}"
    )
    names = ", ".join(f"`{name}`" for name in table.columns)
    for part in range(count):
        yield connected.session.sql(
            f"select {names} from {shelf} where {PART} = {part}"
        )
    connected.execute(f"drop schema {SHELF} cascade")


def _counted(connected: Cluster, relations: list[str]) -> dict[str, int]:
    if not relations:
        return {}
    counted = " union all ".join(
        f"select '{relation}', count(*) from {relation}" for relation in relations
    )
    return dict(connected.execute(counted).rows)


def _keep_newest(connected: Cluster, connection: duckdb.DuckDBPyConnection) -> None:
    """When each stream was last heard of: plans that rest on old news are held back."""
    connection.execute(
        "create table raw.newest (stream varchar, received_at timestamp)"
    )
    asked = " union all ".join(
        f"select '{stream}', max(received_at) from raw.{stream}" for stream in STREAMS
    )
    connection.executemany(
        "insert into raw.newest values (?, ?)", connected.execute(asked).rows
    )


def _keep_sql(connection: duckdb.DuckDBPyConnection) -> None:
    """What the relay decides by, in the SQL of the engine that it runs on."""
    connection.execute("create schema if not exists journeys")
    connection.execute(
        "create table journeys.kept_sql (model_name varchar, sql_text varchar)"
    )
    for name in MODELS:
        text = rendered(model_file(name).read_text("utf-8"), ANY_TIME, _in_the_copy)
        moment = f"cast('{ANY_TIME.isoformat()}' as timestamp)"
        sql = text.replace(moment, "cast({as_of} as timestamp)")
        connection.execute("insert into journeys.kept_sql values (?, ?)", [name, sql])


def _in_the_copy(name: str) -> str:
    """A relation as the relay looks for it."""
    schema, _, table = relation_of(name).partition(".")
    return f'"millrace"."{schema}"."{table}"'
