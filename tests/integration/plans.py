"""The real plan on a warehouse of a test's own: landing zone → loader → the activation models' own SQL.

dbt compiles the project once; its compiled SQL then runs here in the order of its manifest, which takes milliseconds
instead of a dbt run per plan. The rooms upstream are tables that the test fills: who is in which audience, who the
people are, what they agreed to.
"""

import functools
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ingestion.settings import PROJECT_ROOT, Settings
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.warehouse.loading import load
from tests.dbt import dbt, target
from tests.integration.rooms import AS_OF

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
SELECTED = ("path:models/activation", "stg_landing__deliveries")
UPSTREAM = {
    "audiences.int_audiences_evaluated": "audience_name varchar, profile_id varchar, instance_key varchar, attributes json",
    "audiences.int_holdouts": "audience_name varchar, profile_id varchar",
    "identity.dim_profile_ids": "any_profile_id varchar, profile_id varchar",
    "identity.dim_identifiers": "identifier_type varchar, identifier_value varchar, profile_id varchar",
    "profiles.dim_profiles": "profile_id varchar, user_id varchar, email varchar, phone varchar",
    "profiles.dim_consents": "contact_type varchar, contact_value varchar, purpose varchar, channel varchar, state varchar",
    "seeds.purposes": "purpose varchar, enforcement varchar",
    "seeds.syncs": "sync_name varchar, audience_name varchar, destination varchar, mode varchar, recipient_type varchar, purpose varchar, channel varchar, mapping_version bigint, max_exit_percent bigint, max_enter_percent bigint, guard_floor bigint, may_be_empty boolean, description varchar",
}


def a_sync(name: str, **fields: object) -> Sync:
    """A sync of the audience `crowd` by user id, whose guards never block unless the test says so."""
    values = {
        "sync_name": name,
        "audience_name": "crowd",
        "destination": "tool",
        "mode": "mirror",
        "recipient_type": "user_id",
        "purpose": "service",
        "channel": "any",
        "mapping_version": 1,
        "max_exit_percent": 100,
        "max_enter_percent": 1_000_000,
        "guard_floor": 50,
        "may_be_empty": True,
        "description": "A test's.",
    }
    return Sync.model_validate({**values, **fields})


@functools.cache
def compiled() -> list[tuple[str, str, str]]:
    """(relation, materialization, SQL) of the activation models, upstream first."""
    with tempfile.TemporaryDirectory() as folder:
        dbt(
            Path(folder, "millrace.duckdb"),
            *("compile", "--quiet", "--no-populate-cache", "--select", *SELECTED),
            as_of=AS_OF,
            artifacts=True,
        )
    manifest = json.loads((target() / "manifest.json").read_text("utf-8"))
    nodes = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node.get("compiled_code")
    }
    return [
        (
            f"{node['schema']}.{node['alias']}",
            node["config"]["materialized"],
            node["compiled_code"],
        )
        for node in _in_order(nodes)
    ]


def _in_order(nodes: dict[str, Any]) -> Iterable[dict[str, Any]]:
    done: set[str] = set()
    while len(done) < len(nodes):
        for name, node in nodes.items():
            needed = set(node["depends_on"]["nodes"]) & nodes.keys()
            if name not in done and needed <= done:
                done.add(name)
                yield node


def _settings() -> dict[str, str]:
    profiles = yaml.safe_load((DBT_PROJECT / "profiles.yml").read_text())
    settings: dict[str, str] = profiles["millrace"]["outputs"]["duckdb"]["settings"]
    return settings


class Warehouse:
    """One platform's warehouse, as far as activation needs it."""

    def __init__(self, home: Settings, *syncs: Sync) -> None:
        self.home = home
        load(home)
        with self._open() as connection:
            for name, columns in UPSTREAM.items():
                schema = name.partition(".")[0]
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create table {name} ({columns})")
        self.fill("seeds.purposes", [{"purpose": "service", "enforcement": "off"}])
        self.fill("seeds.syncs", [sync.model_dump() for sync in syncs])

    def fill(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the rows of an upstream table; all rows have the same columns."""
        given = list(rows)
        with self._open() as connection:
            connection.execute(f"delete from {table}")
            if given:
                one = f"({', '.join('?' * len(given[0]))})"
                connection.execute(
                    f"insert into {table} ({', '.join(given[0])}) values {', '.join([one] * len(given))}",
                    [value for row in given for value in row.values()],
                )

    def crowd(self, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Say who is in the audience `crowd`, by user id, with which attributes."""
        self.fill(
            "audiences.int_audiences_evaluated",
            [
                {
                    "audience_name": "crowd",
                    "profile_id": f"p_{name}",
                    "instance_key": "",
                    "attributes": json.dumps(values, sort_keys=True),
                }
                for name, values in attributes.items()
            ],
        )
        self.fill(
            "profiles.dim_profiles",
            [{"profile_id": f"p_{name}", "user_id": name} for name in attributes],
        )

    def plan(self, sync: Sync) -> tuple[list[ActivationChange], set[str]]:
        """Load what was landed, plan, and give the sync's changes with the segments the plan has seen."""
        load(self.home)
        self.evaluate()
        columns = list(ActivationChange.model_fields)
        rows = self.rows(
            f"select {', '.join(columns)} from activation.activation_changes where sync_name = '{sync.sync_name}'"
        )
        seen = self.rows("select segment from raw.loads where stream = 'deliveries'")
        changes = [
            ActivationChange.model_validate(dict(zip(columns, row, strict=True)))
            for row in rows
        ]
        return changes, {segment for (segment,) in seen}

    def evaluate(self) -> None:
        """Run the activation models on what is in raw."""
        with self._open() as connection:
            for relation, materialization, sql in compiled():
                kind = "view" if materialization == "view" else "table"
                schema = relation.partition(".")[0]
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create or replace {kind} {relation} as {sql}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._open() as connection:
            return connection.execute(sql).fetchall()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self.home.warehouse)
        for name, value in _settings().items():
            connection.execute(f"set {name} = '{value}'")
        return connection
