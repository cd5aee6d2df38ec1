"""Our own facts: what a refresh decided goes back through the landing zone, like everything else.

SQL decides which facts are new (the models *_pending); here they are only read, checked against their contract and landed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from ingestion.contracts import (
    IdentityChange,
    JourneyDecision,
    Landed,
    MembershipChange,
)
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter, read_tail
from ingestion.settings import Settings
from orchestration.journeys.deciding import deciding, in_turn
from orchestration.warehouse.schema import contract_columns, warehouse

# contract → the model that holds what is to be landed
PENDING: dict[type[Landed], str] = {
    IdentityChange: "identity.identity_changes_pending",
    MembershipChange: "audiences.membership_changes_pending",
    JourneyDecision: "journeys.journey_decisions_pending",
}

# What was decided about since the refresh began is decided: by the relay, or by a run that died after landing.
SUBJECT: dict[type[Landed], tuple[str, ...]] = {
    JourneyDecision: ("journey", "candidate_id")
}

# Assigned at landing, so no part of what a fact says. The logical time neither: a run that died after landing is
# followed by one with another time that would say the same.
ASSIGNED = set(Landed.model_fields) | {"as_of"}


def land_facts(settings: Settings, as_of: datetime) -> dict[str, int]:
    """Land every pending fact that does not wait in the landing zone already; how many per stream."""
    landed = {}
    for contract, model in PENDING.items():
        pending, loaded = _pending(settings, contract, model, as_of)
        with deciding(settings.landing):
            tail = list(read_tail(settings.landing, contract.stream, loaded))
            waiting = {_said(contract.model_validate(_body(row))) for row in tail}
            fresh = [fact for fact in pending if _said(fact) not in waiting]
            if contract is JourneyDecision:
                fresh = [*in_turn(cast("list[JourneyDecision]", fresh), tail)]
            if fresh:
                with LandingWriter(settings.landing) as writer:
                    writer.land(fresh)
                reached("facts.landed")
        landed[contract.stream] = len(fresh)
    return landed


def _pending(
    settings: Settings, contract: type[Landed], model: str, as_of: datetime
) -> tuple[list[Landed], set[str]]:
    """The pending facts, and the segments of their stream that the model has seen."""
    body = [name for name in contract_columns(contract) if name not in ASSIGNED]
    with warehouse(settings.warehouse) as connection:
        rows = connection.execute(f"select {', '.join(body)} from {model} order by all")
        facts = [
            contract.model_validate(
                {**dict(zip(body, row, strict=True)), "as_of": as_of}
            )
            for row in rows.fetchall()
        ]
        segments = connection.execute(
            "select segment from raw.loads where stream = ?", [contract.stream]
        ).fetchall()
    return facts, {name for (name,) in segments}


def _body(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "stream"}


def _said(fact: Landed) -> tuple[object, ...]:
    said = fact.model_dump()
    if subject := SUBJECT.get(type(fact)):
        return tuple(said[name] for name in subject)
    return tuple(_values(said.items()))


def _values(items: Iterable[tuple[str, object]]) -> Iterable[object]:
    return (value for name, value in items if name not in ASSIGNED)
