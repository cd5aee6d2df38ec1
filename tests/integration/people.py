"""People made up at random: what is landed about them, in how many loads, and who they turn out to be.

Accounts are known by a user id, a cookie, an e-mail address and a phone number, of which each record names some. Pairs
are two people known by an address each, whom one record mixes up until a never-together line parts them.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.integration.warehouse import Warehouse

PRIORITIES = {"crm": 10, "shop": 20, "form": 20}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

SCALARS = ["a", "b", "", "Zoë", 1, 2, 10, 1.5, True, False, "1", 'say "hi"', "x.y"]
RULED = [
    *("created_at", "top", "last", "signup_source", "birth_date", "language"),
    "tags",
]
KEYS = ["plan", "first_name", "firstName", "Last Name", "a.b", "x[0]", *RULED]
PURPOSES = ["marketing", "Newsletter", "ads", "world peace"]
STATUSES = ["granted", "yes", True, "denied", "no", False, "pending", "perhaps"]
CHANNELS = [None, "E-Mail", "sms"]

Row = dict[str, Any]


@dataclass
class World:
    """Raw rows with the load each came in; a record id says when it was landed, which is another order."""

    accounts: list[str]
    pairs: list[tuple[str, str]]
    loads: int
    events: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def distinct_events(self) -> list[Row]:
        """Of every event the smallest record."""
        kept: dict[str, Row] = {}
        for event in sorted(self.events, key=lambda e: e["record_id"]):
            kept.setdefault(event["event_id"], event)
        return list(kept.values())

    def versions(self) -> Iterator[list[Row]]:
        """The versions of each extract row that say something new, in order."""
        for key in sorted({row["row_key"] for row in self.rows}):
            versions: list[Row] = []
            for row in sorted(self.rows, key=lambda r: r["record_id"]):
                if row["row_key"] == key and (
                    not versions or (row["row_hash"], row["op"]) != _said(versions[-1])
                ):
                    versions.append(row)
            yield versions

    def person_of(self, row: Row) -> str:
        return str(row["_person"])

    def land(self, warehouse: Warehouse, load: int) -> None:
        """Put what came with one load into raw."""
        for table, rows in (("events", self.events), ("profiles", self.rows)):
            landed = [_public(row) for row in rows if row["_load_id"] == load]
            warehouse.insert(table, landed)

    def part_pairs(self, warehouse: Warehouse) -> None:
        warehouse.add_to_seed(
            "never_together",
            *(
                ["email", one, "email", other, "two people"]
                for one, other in self.pairs
            ),
        )


def declare(warehouse: Warehouse, world: World) -> None:
    """The sources, and the numbering plan's word for every phone number."""
    described = {"kind": "events", "description": "A test's.", "owner": "tests"}
    sources = [
        {"source_id": source, "priority": priority, "session_key": "anonymous_id"}
        for source, priority in PRIORITIES.items()
    ]
    warehouse.insert("sources", [described | source for source in sources])
    numbers = [phone(name) for name in world.accounts]
    warehouse.insert(
        "phone_numbers",
        [{"value": number, "region": "", "e164": number} for number in numbers],
    )


def email(name: str) -> str:
    return f"{name}@people.example"


def phone(name: str) -> str:
    return f"+4930{int(name.rpartition('-')[2]):07d}"


def make_world(seed: int, accounts: int, pairs: int, loads: int) -> World:
    pick = random.Random(seed)
    names = [f"account-{n}" for n in range(accounts)]
    twos = [(email(f"one-{n}"), email(f"other-{n}")) for n in range(pairs)]
    world = World(names, twos, loads)
    for name in names:
        world.events.append(_event(pick, name, "first", _all_of(name)))
        for number in range(pick.randint(1, 6)):
            known = pick.choice([_all_of(name)[:1], _all_of(name)[1:2], _all_of(name)])
            world.events.append(_event(pick, name, str(number), known))
        if pick.random() < 0.4:
            world.rows += list(_versions(pick, name))
    for two in twos:
        for address in two:
            for number in range(pick.randint(1, 4)):
                world.events.append(
                    _event(pick, address, str(number), [_id("email", address)])
                )
        mixed = {"event_id": f"mix-up of {two[0]}", "type": "page", "_person": None}
        both = [_id("email", address) for address in two]
        world.events.append(_base(pick, "shop") | mixed | {"identifiers": both})
    _repeat(pick, world)
    _arrange(pick, world)
    return world


def _arrange(pick: random.Random, world: World) -> None:
    """Record ids and loads, each in an order of its own; whoever is mixed up is so before the last load."""
    records = [*world.events, *world.rows]
    pick.shuffle(records)
    for number, record in enumerate(records, start=1):
        record["record_id"] = str(UUID(int=number))
        mixed = record.get("_person") is None
        record["_load_id"] = pick.randint(1, world.loads - mixed)


def _repeat(pick: random.Random, world: World) -> None:
    """Some events come twice, some rows are written again as they were."""
    world.events += [dict(event) for event in world.events if pick.random() < 0.1]
    world.rows += [dict(row) for row in world.rows if pick.random() < 0.2]


def _event(
    pick: random.Random, person: str, number: str, identifiers: list[Row]
) -> Row:
    event = _base(pick, pick.choice(list(PRIORITIES))) | {
        "event_id": f"{person} {number}",
        "_person": person,
        "type": pick.choice(["identify", "identify", "track", "page"]),
        "identifiers": identifiers,
        "properties": {"product_id": pick.choice(["p1", "p2"])},
    }
    if pick.random() < 0.15:
        return event | _consent_event(pick, person)
    paths = pick.sample([*KEYS, "address"], pick.randint(0, 4))
    event["traits"] = {path: random_value(pick) for path in paths}
    if pick.random() < 0.3:
        event["context"] = {"traits": {pick.choice(KEYS): random_value(pick)}}
    if pick.random() < 0.3:
        event["consent"] = _envelope(pick)
    return event


def _base(pick: random.Random, source_id: str) -> Row:
    occurred = NOON + timedelta(hours=pick.randint(0, 60))
    return {
        "source_id": source_id,
        "occurred_at": occurred.isoformat(),
        "received_at": occurred.isoformat(),
        "channel": "server",
    }


def _consent_event(pick: random.Random, person: str) -> Row:
    if pick.random() < 0.3:
        bounce = {"kind": pick.choice(["hard", "Soft"])}
        return {"type": "track", "name": "Email Bounced", "properties": bounce}
    word = {"purpose": pick.choice(PURPOSES), "status": pick.choice(STATUSES)}
    channel = {"channel": pick.choice(CHANNELS)}
    named = {"contact": f" {email(person).upper()} "} if pick.random() < 0.3 else {}
    return {
        "type": "track",
        "name": "consent_updated",
        "properties": word | channel | (named if person.startswith("account") else {}),
    }


def _envelope(pick: random.Random) -> Row:
    words = {
        pick.choice(PURPOSES): pick.choice(
            [pick.choice(STATUSES), {"sms": pick.choice(STATUSES)}, None]
        )
        for _ in range(2)
    }
    return {"categoryPreferences": words} if pick.random() < 0.3 else words


def _versions(pick: random.Random, name: str) -> Iterator[Row]:
    for number in range(pick.randint(1, 4)):
        said = _base(pick, "crm") | {
            "row_key": name,
            "_person": name,
            "op": pick.choice(["upsert", "upsert", "upsert", "delete"]),
            "row_hash": f"{name} {number}",
            "identifiers": [_id("user_id", name), _id("email", email(name))],
        }
        said["observed_at"] = said.pop("occurred_at")
        said.pop("channel")
        if said["op"] == "upsert":
            paths = pick.sample(KEYS, pick.randint(0, 3))
            said["traits"] = {path: random_value(pick) for path in paths}
            said["consent"] = {
                purpose: pick.choice(STATUSES)
                for purpose in pick.sample(PURPOSES, pick.randint(0, 2))
            }
        yield said


def random_value(pick: random.Random, depth: int = 0) -> Any:
    kind = pick.random()
    if kind < 0.5:
        return pick.choice(SCALARS)
    if kind < 0.72:
        return [pick.choice(SCALARS) for _ in range(pick.randint(0, 3))]
    if kind < 0.82 or depth == 2:
        return None
    return {
        pick.choice([*KEYS, "city"]): random_value(pick, depth + 1)
        for _ in range(pick.randint(0, 2))
    }


def _all_of(name: str) -> list[Row]:
    return [
        _id("user_id", name),
        _id("anonymous_id", f"cookie of {name}"),
        _id("email", email(name)),
        _id("phone", phone(name)),
    ]


def _id(kind: str, value: str) -> Row:
    return {"type": kind, "value": value}


def _said(row: Row) -> tuple[str, str]:
    return row["row_hash"], row["op"]


def _public(row: Row) -> Row:
    """Without what only the oracle knows."""
    return {
        name: json.loads(json.dumps(value)) if isinstance(value, dict) else value
        for name, value in row.items()
        if not name.startswith("_") or name == "_load_id"
    }
