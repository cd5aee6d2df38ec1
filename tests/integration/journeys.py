"""The journeys room on a bare connection: journeys as declared, candidates and people as the test says, and days that pass.

Decisions are landed into raw as the refresh does it, so a day is decided by what the days before decided.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from ingestion.contracts import JourneyDecision
from ingestion.settings import Settings
from orchestration.journeys.declarations import Journey
from orchestration.journeys.relation import as_row
from orchestration.warehouse.schema import LEDGERS
from tests.integration.rendered import PROJECT, Room

SUPPLIED = {
    "fct_trigger_emissions": "emission_id varchar, trigger_name varchar, trigger_key varchar, profile_id varchar, is_resolved boolean, emitted_at timestamp, properties json",
    "fct_audience_membership": "audience_name varchar, profile_id varchar, entered_profile_id varchar, instance_key varchar, entry_number bigint, entered_at timestamp, exited_at timestamp",
    "fct_audience_members": "audience_name varchar, profile_id varchar",
    "fct_profile_events": "profile_id varchar, canonical_name varchar, occurred_at timestamp",
    "dim_profile_ids": "any_profile_id varchar, profile_id varchar",
    "dim_identifiers": "identifier_type varchar, identifier_value varchar, profile_id varchar",
    "dim_profiles": "profile_id varchar, user_id varchar, email varchar, phone varchar",
    "int_profile_attributes": "profile_id varchar, path varchar, value varchar, value_text varchar",
    "dim_consents": "contact_type varchar, contact_value varchar, purpose varchar, channel varchar, state varchar",
}
BALANCE = PROJECT / "tests" / "whoever_asks_a_journey_gets_one_answer.sql"
FACTS = (
    "journey",
    "candidate_id",
    "entry_name",
    "recipient",
    "recipient_key",
    "instance_key",
    "emitted_at",
    "outcome",
    "detail",
    "as_of",
)


def a_journey(name: str = "recovery", **fields: Any) -> Journey:
    """A journey by e-mail for the trigger `cart`, for a purpose that asks nobody, without any limit but its age."""
    values = {
        "name": name,
        "description": "A test's.",
        "owner": "tests",
        "entry": {"trigger": "cart"},
        "instance_key": ["cart_id"],
        "purpose": "service",
        "recipient": "email",
        "reentry": "always",
        "exits": {"after": "7d"},
        "max_age": "2d",
        "destination": "tool",
    }
    return Journey.model_validate({**values, **fields})


class JourneyRoom:
    """Journeys, people and time."""

    def __init__(self, *journeys: Journey) -> None:
        targets = (
            "int_journey_triggers",
            "fct_journey_instances",
            "obs_trigger_funnel",
        )
        self._room = Room(*targets, supplied=SUPPLIED, as_of="1970-01-01T00:00:00")
        self._records, self._is_alone = 0, len(journeys) == 1
        rows = [as_row(journey) for journey in journeys]
        self.insert(
            "raw.journeys", [{c: row[c] for c in LEDGERS["journeys"]} for row in rows]
        )

    def insert(self, relation: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            marks = ", ".join("?" * len(row))
            self._room.connection.execute(
                f"insert into {relation} ({', '.join(row)}) values ({marks})",
                list(row.values()),
            )

    def person(self, name: str, **fields: Any) -> None:
        """Somebody with an e-mail address of their own."""
        email = fields.pop("email", f"{name}@x.example")
        profile = {"profile_id": name, "user_id": name, "email": email, **fields}
        self.insert("profiles.dim_profiles", [profile])
        self.insert(
            "identity.dim_profile_ids", [{"any_profile_id": name, "profile_id": name}]
        )
        values = {"user_id": name, "email": email}
        self.insert(
            "identity.dim_identifiers",
            [
                {"identifier_type": t, "identifier_value": v, "profile_id": name}
                for t, v in values.items()
                if v
            ],
        )

    def emit(
        self,
        key: str,
        profile_id: str | None,
        at: str,
        trigger: str = "cart",
        **properties: object,
    ) -> None:
        """A trigger; one with an `cart_id` names its occasion by it."""
        self.insert(
            "journeys.fct_trigger_emissions",
            [
                {
                    "emission_id": f"{trigger}:{key}",
                    "trigger_name": trigger,
                    "trigger_key": key,
                    "profile_id": profile_id,
                    "is_resolved": profile_id is not None,
                    "emitted_at": at,
                    "properties": json.dumps(properties),
                }
            ],
        )

    def run(self, sql: str) -> None:
        self._room.connection.execute(sql)

    def look(self, as_of: str) -> None:
        """Evaluate at `as_of` without landing anything."""
        self._room.as_of = as_of
        self._room.refresh()

    def decide(self, as_of: str) -> dict[str, str]:
        """Evaluate and land; what was newly decided, by candidate."""
        self.look(as_of)
        decided = self.facts("journeys.journey_decisions_pending")
        for fact in decided:
            self._land(fact)
        return {
            self._called(fact["journey"], fact["candidate_id"]): fact["outcome"]
            for fact in decided
        }

    def facts(self, relation: str = "raw.journey_decisions") -> list[dict[str, Any]]:
        """Decisions as they are landed, sorted by what they say."""
        rows = self.ask(f"select {', '.join(FACTS)} from {relation} order by all")
        return [dict(zip(FACTS, row, strict=True)) for row in rows]

    def pending(self, candidate_id: str) -> JourneyDecision:
        """What the last look decided about a candidate, as it would be landed."""
        decided = self.facts("journeys.journey_decisions_pending") or self.facts()
        found = [fact for fact in decided if fact["candidate_id"] == candidate_id]
        return JourneyDecision.model_validate(found[-1])

    def land(self, decision: JourneyDecision) -> None:
        self._land({name: getattr(decision, name) for name in FACTS})

    def _land(self, fact: Mapping[str, Any]) -> None:
        self._records += 1
        row = {"record_id": UUID(int=self._records), **fact}
        self.insert("raw.journey_decisions", [row])

    def publish(self, home: Settings) -> None:
        """A read copy with what the last look left of journeys."""
        home.published.parent.mkdir(parents=True, exist_ok=True)
        self.run(f"attach '{home.published}' as copied")
        for schema in ("journeys", "raw"):
            self.run(f"create schema copied.{schema}")
        for name in ("int_journey_checks", "fct_journey_decisions"):
            self.run(f"create table copied.journeys.{name} as from journeys.{name}")
        self.run("create table copied.raw.loads as from raw.loads")
        self.run("detach copied")

    def deliver(self, outcome: str = "delivered") -> set[str]:
        """Tell the destination everything it is to be told; the recipients."""
        due = self.ask(
            "select sync_name, op_id, recipient_key from journeys.int_journey_triggers"
        )
        for sync_name, op_id, key in due:
            for kind in ("attempt", "outcome"):
                self._records += 1
                self.insert(
                    "raw.deliveries",
                    [
                        {
                            "record_id": UUID(int=self._records),
                            "kind": kind,
                            "sync_name": sync_name,
                            "op_id": op_id,
                            "attempt_id": f"a{self._records // 2}",
                            "recipient_key": key,
                            "outcome": outcome if kind == "outcome" else None,
                        }
                    ],
                )
        return {key for _, _, key in due}

    def latest(self) -> dict[str, str]:
        """Candidate → what counts about it."""
        rows = self.ask(
            "select journey, candidate_id, outcome from journeys.fct_journey_decisions where is_latest"
        )
        return {self._called(row[0], row[1]): row[2] for row in rows}

    def rebuild(self, as_of: str) -> None:
        """Forget everything that was derived, and derive it anew."""
        self._room.forget()
        self.look(as_of)

    def unbalanced(self) -> list[tuple[Any, ...]]:
        """What the project's own test of the balance finds."""
        return self._room.ask(self._room.render(BALANCE.read_text("utf-8")))

    def _called(self, journey: str, candidate_id: str) -> str:
        """The candidate without its trigger's name; with several journeys `journey candidate`."""
        key = candidate_id.partition(":")[2]
        return key if self._is_alone else f"{journey} {key}"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._room.ask(sql)
