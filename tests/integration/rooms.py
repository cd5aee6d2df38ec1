"""Landed records → built dbt models, for tests that compare a room of the warehouse with an oracle.

Lands through the real landing zone, loads through the real loader and runs the real dbt project in a process of its
own, into a warehouse of the test's own.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import yaml

from ingestion.contracts import Landed
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.warehouse.loading import load
from tests.dbt import dbt

AS_OF = "2026-01-31T12:00:00"


def declare(home: Settings, source_id: str, **declared: object) -> None:
    """Declare an event source of the test's own."""
    values = {"kind": "events", "description": "A test's.", "owner": "tests"}
    text = yaml.safe_dump({"source_id": source_id, **values, **declared})
    (home.sources_dir / f"{source_id}.yml").write_text(text, encoding="utf-8")


def land_and_load(home: Settings, records: Iterable[Landed]) -> list[UUID]:
    """The ids of the records, in the order given."""
    with LandingWriter(home.landing) as writer:
        ids = writer.land(list(records))
    load(home)
    return ids


def build(
    home: Settings,
    *selection: str,
    seeds: Mapping[str, str] | None = None,
    as_of: str = AS_OF,
) -> None:
    """Seeds, then the selected models with all they need. `seeds` maps a seed to SQL values added to it."""
    wanted = [f"+{name}" for name in selection]
    if not seeds:
        no_tests = ("--exclude-resource-type", "test", "unit_test")
        dbt(
            home.warehouse,
            "build",
            "--quiet",
            *no_tests,
            "--select",
            *wanted,
            as_of=as_of,
        )
        return
    dbt(home.warehouse, "seed", "--quiet", as_of=as_of)
    with duckdb.connect(home.warehouse) as connection:
        for seed, values in seeds.items():
            connection.execute(f"insert into seeds.{seed} values {values}")
    dbt(home.warehouse, "run", "--quiet", "--select", *wanted, as_of=as_of)


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(sql).fetchall()
