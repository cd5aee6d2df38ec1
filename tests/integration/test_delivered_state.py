"""Delivered state and plan in SQL against a Python oracle that reads one delivery after the other.

The oracle is written from the rules of activation and shares nothing with the models but the recipe of op_id.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from ingestion.contracts import Delivery
from ingestion.landing import LandingWriter
from tests.integration.plans import Warehouse, a_sync
from tests.landed import platform

KEYS = [f"u{number:03}" for number in range(300)]
OUTCOMES = ["delivered", "accepted", "rejected", "retry", "unknown", None]
PAYLOADS = [{"orders": number} for number in range(3)]


def payload_hash(payload: dict[str, int]) -> str:
    return hashlib.sha256(json.dumps(payload).encode()).hexdigest()


def op_id(key: str, generation: int, action: str, hash_: str, version: int) -> str:
    text = f"s|{generation}|{action}|{hash_}|{version}|{key}"
    return hashlib.sha256(text.encode()).hexdigest()


def refused(
    key: str, known: "Known", action: str, hash_: str, version: int
) -> tuple[object, ...]:
    """What a rejection speaks about: a payload whatever the action, or the removal from this very state."""
    return key, hash_, version, known.generation if action == "exit" else "assert"


@dataclass
class Known:
    """What is known of one recipient: the oracle's state."""

    state: str = "absent"
    hash: str | None = None
    version: int | None = None
    generation: int = 0
    is_pending: bool = False

    def told(self, action: str, hash_: str, version: int, outcome: str | None) -> None:
        if outcome in ("retry", "rejected"):
            return
        self.generation += 1
        self.hash, self.version = hash_, version
        self.is_pending = outcome == "accepted"
        if outcome != "delivered":
            self.state = "unknown"
        else:
            self.state = "absent" if action == "exit" else "acked"

    def needs(
        self, wanted: dict[str, int] | None, version: int
    ) -> tuple[str, str] | None:
        """(action, payload hash) of the change that is due."""
        if self.is_pending:
            return None
        if wanted is None:
            return None if self.state == "absent" else ("exit", self.hash or "")
        if self.state != "acked":
            return "enter", payload_hash(wanted)
        if (self.hash, self.version) != (payload_hash(wanted), version):
            return "update", payload_hash(wanted)
        return None


class History:
    """A random history of one sync, landed record by record and told to the oracle."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.known = {key: Known() for key in KEYS}
        self.rejected: set[tuple[object, ...]] = set()
        self.records: list[Delivery] = []

    def attempt(self, key: str) -> None:
        """What a run might have done to a recipient: any action, any outcome, in the generation it was planned in."""
        known, chance = self.known[key], self.chance
        action = chance.choice(["enter", "update", "exit"])
        hash_ = payload_hash(chance.choice(PAYLOADS))
        version, outcome = chance.choice([1, 2]), chance.choice(OUTCOMES)
        fields: dict[str, Any] = {
            "sync_name": "s",
            "op_id": op_id(key, known.generation, action, hash_, version),
            "attempt_id": f"attempt {len(self.records)}",
            "recipient_key": key,
            "profile_id": f"p_{key}",
            "handle": key,
            "action": action,
            "generation": known.generation,
            "payload_hash": hash_,
            "mapping_version": version,
        }
        self.records.append(Delivery(kind="attempt", **fields))
        if outcome == "delivered" and chance.random() < 0.3:
            self.records.append(Delivery(kind="outcome", outcome="accepted", **fields))
        if outcome is not None:
            self.records.append(Delivery(kind="outcome", outcome=outcome, **fields))
        if outcome == "rejected":
            self.rejected.add(refused(key, known, action, hash_, version))
        known.told(action, hash_, version, outcome)

    def due(self, wanted: dict[str, dict[str, int]], version: int) -> set[tuple]:
        """The plan, by the oracle."""
        changes = set()
        for key, known in self.known.items():
            need = known.needs(wanted.get(key), version)
            if need is None:
                continue
            identity = op_id(key, known.generation, *need, version)
            if refused(key, known, *need, version) not in self.rejected:
                changes.add((key, need[0], known.generation, identity))
        return changes


@pytest.mark.parametrize("seed", range(3))
def test_state_and_plan_equal_those_of_an_oracle_that_reads_one_delivery_at_a_time(
    tmp_path, seed
):
    history, sync = History(seed), a_sync("s", mapping_version=2)
    for _ in range(1500):
        history.attempt(history.chance.choice(KEYS))
    members = history.chance.sample(KEYS, 200)
    wanted = {key: history.chance.choice(PAYLOADS) for key in members}
    warehouse = Warehouse(platform(tmp_path), sync)
    warehouse.crowd(wanted)
    with LandingWriter(warehouse.home.landing) as writer:
        writer.land(history.records)
    changes, _ = warehouse.plan(sync)
    states = warehouse.rows(
        "select recipient_key, state, generation from activation.int_sync_delivered"
    )
    assert {tuple(row) for row in states} == {
        (key, known.state, known.generation)
        for key, known in history.known.items()
        if known.generation
    }
    assert {
        (change.recipient_key, change.action, change.generation, change.op_id)
        for change in changes
    } == history.due(wanted, 2)


def test_the_order_in_which_segments_were_loaded_does_not_matter(tmp_path):
    history, sync = History(7), a_sync("s")
    for _ in range(600):
        history.attempt(history.chance.choice(KEYS[:50]))
    warehouse = Warehouse(platform(tmp_path), sync)
    with LandingWriter(warehouse.home.landing) as writer:
        writer.land(history.records)
    state = "select * from activation.int_sync_delivered order by all"
    warehouse.plan(sync)
    before = warehouse.rows(state)
    warehouse.room.connection.execute(
        "create or replace table raw.deliveries as"
        " select * from raw.deliveries order by md5(cast(record_id as varchar))"
    )
    warehouse.evaluate()
    assert warehouse.rows(state) == before
