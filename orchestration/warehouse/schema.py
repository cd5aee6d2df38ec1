"""The raw schema: its tables, derived from the contracts, and how a connection to the warehouse is opened.

What goes into the tables is loading.py's business. Everything downstream of raw is dbt's.
"""

import re
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import duckdb

from ingestion.contracts import STREAMS
from ingestion.contracts.base import Identifier, Landed

# As in dbt_project/profiles.yml, which says why; the read copy holds views that need it too.
SESSION = "set TimeZone = 'UTC'; set disabled_optimizers = 'outer_join_simplification'"
# Whoever looked into the file for a moment is gone by then. Valid: 0 and up.
PATIENCE_SECONDS = 10.0
OPERATIONAL = {"_segment": "varchar", "_load_id": "bigint"}

# Tables of the loader itself. Columns as declared in dbt_project/models/staging/_sources.yml; a test compares.
LEDGERS: dict[str, dict[str, str]] = {
    "loads": {
        "load_id": "bigint",
        "stream": "varchar",
        "segment": "varchar",
        "lines": "bigint",
        "loaded": "bigint",
        "rejected": "bigint",
        "bytes": "bigint",
        "sha256": "varchar",
    },
    "load_rejects": {
        "stream": "varchar",
        "segment": "varchar",
        "line": "bigint",
        "reason": "varchar",
        "raw": "varchar",
    },
    "sources": {
        "source_id": "varchar",
        "kind": "varchar",
        "description": "varchar",
        "owner": "varchar",
        "priority": "bigint",
        "default_region": "varchar",
        "default_currency": "varchar",
        "session_key": "varchar",
        "is_server": "boolean",
        "trusted_alias": "boolean",
    },
    "journeys": {
        "journey": "varchar",
        "description": "varchar",
        "owner": "varchar",
        "entry_kind": "varchar",
        "entry_name": "varchar",
        "instance_key": "varchar[]",
        "purpose": "varchar",
        "channel": "varchar",
        "recipient_type": "varchar",
        "reentry": "varchar",
        "reentry_minutes": "bigint",
        "excluded_audiences": "varchar[]",
        "suppressed_audiences": "varchar[]",
        "exit_events": "varchar[]",
        "exit_enters": "varchar[]",
        "exit_leaves": "varchar[]",
        "exit_after_minutes": "bigint",
        "cap_24h": "bigint",
        "cap_7d": "bigint",
        "cap_30d": "bigint",
        "quiet_from_minute": "bigint",
        "quiet_until_minute": "bigint",
        "time_zone_attribute": "varchar",
        "default_time_zone": "varchar",
        "max_age_minutes": "bigint",
        "per_hour": "bigint",
        "holdout_buckets": "bigint",
        "destination": "varchar",
        "payload_trigger": "varchar[]",
        "payload_profile": "varchar[]",
    },
    "phone_numbers": {"value": "varchar", "region": "varchar", "e164": "varchar"},
}

_SCALARS = {
    UUID: "uuid",
    str: "varchar",
    bool: "boolean",
    int: "bigint",
    datetime: "timestamp",
    date: "date",
    Decimal: "decimal(18,4)",
    Identifier: "struct(type varchar, value varchar)",
}


class StaysOnCluster(duckdb.CatalogException):
    """The read copy holds what came home from the cluster, and this did not."""


class WarehouseBusy(RuntimeError):  # noqa: N818 - says what happened
    """Another process holds the warehouse file."""


@contextmanager
def warehouse(
    path: Path, patience: float = PATIENCE_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The one writing connection. Call it only from an op in the pool `warehouse`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connected(path, patience)
    try:
        connection.execute(SESSION)
        yield connection
    finally:
        connection.close()


def _connected(path: Path, patience: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + patience
    while True:
        try:
            return duckdb.connect(path)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if time.monotonic() > deadline:
                raise WarehouseBusy(
                    f"{path} is held by another process. Only runs of Millrace may open it; "
                    "read the published copy instead, or end the process that holds it."
                ) from error
        time.sleep(0.1)


@contextmanager
def read_copy(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A short-lived read-only connection to the published copy."""
    if not path.exists():
        raise FileNotFoundError(
            f"There is no published copy at {path} yet: run the job `refresh` first."
        )
    connection = duckdb.connect(path, read_only=True)
    try:
        connection.execute(SESSION)
        yield connection
    except duckdb.CatalogException as error:
        if left_out := _left_out(connection, str(error)):
            raise StaysOnCluster(left_out) from None
        raise
    finally:
        connection.close()


def _left_out(connection: duckdb.DuckDBPyConnection, error: str) -> str | None:
    """The sentence that what was asked for is on the cluster, when it is."""
    asked = re.search(r"Table with name (\w+) does not exist", error)
    staying = connection.execute(
        "select table_name from duckdb_tables() where table_name = 'on_the_cluster'"
    ).fetchall()
    if not (asked and staying):
        return None
    found = connection.execute(
        "select relation from raw.on_the_cluster where split_part(relation, '.', 2) = ?",
        [asked[1]],
    ).fetchall()
    if not found:
        return None
    return (
        f"{found[0][0]} stays on the cluster: ask it there, or let everything come home at each refresh with "
        "MILLRACE_COPY_EVENTS=true, if that fits this machine."
    )


def create_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing of the raw schema. An existing table with other columns stops with a sentence."""
    connection.execute("create schema if not exists raw")
    for name, columns in raw_tables().items():
        connection.execute(f"create table if not exists raw.{name} ({ddl(columns)})")
        existing = connection.execute(f"select * from raw.{name} limit 0").description
        found = [column[0] for column in existing or []]
        if found != list(columns):
            raise contract_has_changed(f"raw.{name}", found, list(columns))


def contract_has_changed(
    table: str, found: list[str], columns: list[str], what: str = "the warehouse file"
) -> RuntimeError:
    return RuntimeError(
        f"{table} has the columns {found}, its contract says {columns}. "
        f"The contract has changed: delete {what} and refresh; it is rebuilt from the landing zone."
    )


def raw_tables() -> dict[str, dict[str, str]]:
    """Every table of the raw schema: name → column → DuckDB type."""
    streams = {name: contract_columns(model) for name, model in STREAMS.items()}
    return {name: {**c, **OPERATIONAL} for name, c in streams.items()} | LEDGERS


def contract_columns(model: type[Landed]) -> dict[str, str]:
    """Column → DuckDB type of a contract; the envelope comes first."""
    fields = model.model_fields.items()
    return {name: column_type(field.annotation) for name, field in fields}


def required_columns(model: type[Landed]) -> list[str]:
    """Columns that are NULL in no landed line. The writer assigns record_id, so it is one of them."""
    fields = model.model_fields.items()
    always = [n for n, field in fields if type(None) not in get_args(field.annotation)]
    return ["record_id", *always]


def column_type(annotation: Any) -> str:
    """The DuckDB type that holds a contract's field."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return column_type(arguments[0])
    if origin in (Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return column_type(inner)
    if origin is Literal:
        return column_type(type(arguments[0]))
    if origin is dict or annotation is dict:
        return "json"
    if origin in (list, tuple):
        return f"{column_type(arguments[0])}[]"
    raise TypeError(f"No DuckDB type is known for {annotation!r}; add it to schema.py.")


def ddl(columns: dict[str, str]) -> str:
    """Column definitions. JSON is compressed with zstd: 0.4 times the size, lossless."""
    compression = {"json": "json using compression zstd"}
    return ", ".join(f'"{n}" {compression.get(t, t)}' for n, t in columns.items())
