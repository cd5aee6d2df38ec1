"""The real plan on a warehouse of a test's own: landing zone → the activation models' own SQL, in memory.

The models run on a bare connection (tests.integration.rendered), so a plan takes milliseconds. The rooms upstream are
tables that the test fills: who is in which audience, who the people are, what they agreed to. What was landed is read
as the loader reads it; the loader itself has tests of its own.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ingestion.contracts import Delivery
from ingestion.landing import recover, sealed_segments
from ingestion.settings import Settings
from orchestration.activation.plans import known_by, planned_changes
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.history import Known
from orchestration.warehouse.schema import contract_columns
from tests.integration.rendered import Room
from tests.integration.rooms import AS_OF
from tests.unit.test_activation_contract import mirrored

TARGETS = (
    "activation_changes",
    "fct_sync_eligibility",
    "fct_sync_runs",
    "fct_sync_state",
)
UPSTREAM = {
    "int_audiences_evaluated": "audience_name varchar, profile_id varchar, instance_key varchar, attributes json",
    "int_holdouts": "audience_name varchar, profile_id varchar",
    "int_journey_triggers": "sync_name varchar, recipient_key varchar, recipient_type varchar, profile_id varchar, payload json, payload_hash varchar, mapping_version bigint, handle varchar, generation bigint, action varchar, reason varchar, op_id varchar, is_rejected boolean, is_exempt boolean",
    "dim_profile_ids": "any_profile_id varchar, profile_id varchar",
    "dim_identifiers": "identifier_type varchar, identifier_value varchar, profile_id varchar",
    "dim_profiles": "profile_id varchar, user_id varchar, email varchar, phone varchar",
    "dim_consents": "contact_type varchar, contact_value varchar, purpose varchar, channel varchar, state varchar",
    "purposes": "purpose varchar, enforcement varchar",
    "syncs": ", ".join(f"{name} {kind}" for name, kind in mirrored(Sync).items()),
    "sync_mappings": "sync_name varchar, attribute varchar, field varchar",
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


class Warehouse:
    """One platform's warehouse, as far as activation needs it."""

    def __init__(
        self, home: Settings, *syncs: Sync, targets: tuple[str, ...] = TARGETS
    ) -> None:
        self.home = home
        self.seen: set[str] = set()
        self.room = Room(*targets, supplied=UPSTREAM, as_of=AS_OF)
        self.fill("purposes", [{"purpose": "service", "enforcement": "off"}])
        self.declare(*syncs)

    def declare(self, *syncs: Sync) -> None:
        """Replace the seed of syncs."""
        self.fill("syncs", [sync.model_dump() for sync in syncs])

    def fill(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the rows of an upstream table; all rows have the same columns."""
        given = list(rows)
        relation = self.room.relation(table)
        self.room.connection.execute(f"delete from {relation}")
        if given:
            one = f"({', '.join('?' * len(given[0]))})"
            self.room.connection.execute(
                f"insert into {relation} ({', '.join(given[0])}) values {', '.join([one] * len(given))}",
                [value for row in given for value in row.values()],
            )

    def crowd(self, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Say who is in the audience `crowd`, by user id, with which attributes."""
        self.fill(
            "int_audiences_evaluated",
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
            "dim_profiles",
            [{"profile_id": f"p_{name}", "user_id": name} for name in attributes],
        )

    def plan(self, sync: Sync) -> tuple[list[ActivationChange], set[str]]:
        """Load what was landed, plan, and give the sync's changes with the segments the plan has seen."""
        self.load()
        self.evaluate()
        changes = planned_changes(self.room.connection, sync.sync_name)
        return changes, set(self.seen)

    def known(self, sync: Sync, account: str) -> Known:
        """What the plan's warehouse knows beside the plan."""
        return known_by(self.room.connection, sync.sync_name, account)

    def load(self) -> None:
        """Take in the deliveries that were not seen before."""
        recover(self.home.landing)
        fresh = [
            segment
            for segment in sealed_segments(self.home.landing, "deliveries")
            if segment.name not in self.seen
        ]
        if not fresh:
            return
        columns = {"stream": "varchar", **contract_columns(Delivery)}
        declared = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        self.room.connection.execute(
            "insert into raw.deliveries by name select * exclude (stream) "
            f"from read_json($files, columns = {{{declared}}}, format = 'newline_delimited')",
            {"files": [str(segment.path) for segment in fresh]},
        )
        self.seen |= {segment.name for segment in fresh}

    def forget(self) -> None:
        """The warehouse is lost; only the landing zone and what lies upstream are left."""
        self.seen = set()
        self.room.connection.execute("delete from raw.deliveries")
        self.room.forget()

    def evaluate(self) -> None:
        """Run the activation models on what is in raw."""
        self.room.refresh()

    def publish(self) -> None:
        """The read copy of this warehouse."""
        self.load()
        self.evaluate()
        self.home.published.parent.mkdir(parents=True, exist_ok=True)
        draft = self.home.published.with_name("draft") / self.home.published.name
        draft.parent.mkdir(exist_ok=True)
        draft.unlink(missing_ok=True)
        run = self.room.connection.execute
        run("delete from raw.loads")
        for segment in self.seen:
            run(
                "insert into raw.loads (stream, segment) values ('deliveries', ?)",
                [segment],
            )
        run(f"attach '{draft}' as published")
        run("copy from database memory to published")
        run("detach published")
        draft.replace(self.home.published)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.room.ask(sql)
