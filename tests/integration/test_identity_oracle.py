"""Identity on random graphs, held against the naive oracle.

Every world is a small independent graph; hundreds of them share one warehouse, so that a few dbt runs judge all.
"""

import hashlib
import random
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.integration.identity_oracle import Answer, Identifier, Pair, Record, solve
from tests.integration.warehouse import Warehouse

START = datetime(2026, 1, 1)
WORLDS = 400
BLANKS = ("null", "", "0-0 ")
POOLS = {
    "user_id": 4,
    "crm_id": 4,
    "email": 5,
    "email_sha256": 5,
    "ios.id": 4,
    "anonymous_id": 6,
}
PUBLIC = (
    "select * exclude (_load_id) from staging.fct_events order by record_id",
    "select * from identity.dim_identifiers order by identifier_id",
    "select * from identity.int_record_profiles order by record_id",
    "select * from identity.dim_profile_ids order by any_profile_id",
    "select * from identity.int_profiles order by profile_id",
    "select * from identity.fct_identity_demotions order by all",
    "select * from identity.fct_profile_merges order by all",
    "select * from identity.identity_changes_pending order by all",
)


class World:
    """People who share devices, mistype, and alias themselves; every value carries the world's number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = random.Random(number)
        # A tenth of the worlds are wide: many people and devices and one e-mail
        # address that everybody types, so that hubs appear.
        self.is_wide = number % 10 == 3
        size = 200 if self.is_wide else self.random.choice((4, 8, 15, 30, 60))
        self.records = [self.record(place) for place in range(size)]
        values = sorted(
            {
                (kind, value.lower() if kind == "email" else value)
                for record in self.records
                for kind, value in record.identifiers
                if kind in POOLS and value not in BLANKS
            }
        )
        self.never = self.pairs(values, self.random.choice((0, 0, 1, 3)))
        self.always = (
            self.pairs(values, self.random.choice((0, 0, 0, 1, 2))) - self.never
        )

    def record(self, place: int) -> Record:
        kinds = self.random.sample(sorted(POOLS), self.random.choice((1, 1, 2, 2, 3)))
        identifiers = [(kind, self.value(kind)) for kind in kinds]
        if self.random.random() < 0.08:
            identifiers.append(
                ("previous_id", self.value(self.random.choice(sorted(POOLS))))
            )
        if self.random.random() < 0.05:
            identifiers.append(("user_id", self.random.choice(BLANKS)))
        return Record(
            number=self.number * 1000 + place,
            occurred_at=self.random.randrange(40),
            identifiers=tuple(identifiers),
        )

    def value(self, kind: str) -> str:
        crowd = 30 if self.is_wide and kind in ("user_id", "anonymous_id") else 0
        pool = 1 if self.is_wide and kind == "email" else POOLS[kind]
        number = self.random.randrange(pool + crowd)
        if kind == "email_sha256":
            return hashlib.sha256(f"w{self.number}e{number}@x.org".encode()).hexdigest()
        if kind == "email":
            return self.random.choice(("w{}e{}@x.org", " W{}E{}@X.org ")).format(
                self.number, number
            )
        # One value may be known under two types: what an alias means by it is both.
        return f"w{self.number}{'' if number == 0 else kind}{number}"

    def pairs(self, values: list[Identifier], count: int) -> set[Pair]:
        if len(values) < 2:
            return set()
        clean = [(kind, value.strip()) for kind, value in values]
        pairs = {frozenset(self.random.sample(clean, 2)) for _ in range(count)}
        return {pair for pair in pairs if len(pair) == 2}


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [World(number) for number in range(WORLDS)]


@pytest.fixture(scope="module")
def answers(worlds: list[World]) -> list[Answer]:
    return [solve(world.records, world.never, world.always) for world in worlds]


@pytest.fixture(scope="module")
def warehouse(
    worlds: list[World], tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    warehouse = prepared(worlds, tmp_path_factory.mktemp("whole"))
    warehouse.insert("events", rows(worlds, load_id=1))
    warehouse.build("+identity")
    return warehouse


def prepared(worlds: list[World], folder: Path) -> Warehouse:
    warehouse = Warehouse(folder)
    for name in ("never", "always"):
        for world in worlds:
            for pair in sorted(map(sorted, getattr(world, name))):
                warehouse.add_to_seed(f"{name}_together", [*pair[0], *pair[1], "test"])
    return warehouse


def rows(worlds: list[World], load_id: int) -> list[dict]:
    return [
        {
            "record_id": UUID(int=record.number + 1),
            "source_id": "web",
            "received_at": START,
            "event_id": str(record.number),
            "type": "track",
            "name": "Seen",
            "occurred_at": START + timedelta(minutes=record.occurred_at),
            "identifiers": [
                {"type": kind, "value": value} for kind, value in record.identifiers
            ],
            "properties": "{}",
            "context": "{}",
            "_load_id": load_id,
        }
        for world in worlds
        for record in world.records
    ]


def test_every_identifier_is_in_the_profile_the_rules_give_it(
    warehouse: Warehouse, answers: list[Answer]
) -> None:
    expected = {
        (kind, value): (profile, (kind, value) in answer.shared)
        for answer in answers
        for (kind, value), profile in answer.profile_of.items()
    }
    found = warehouse.ask(
        "select identifier_type, identifier_value, profile_id, is_shared from identity.dim_identifiers"
    )
    assert {(kind, value): tuple(rest) for kind, value, *rest in found} == expected


def test_every_record_belongs_to_the_profile_the_rules_give_it(
    warehouse: Warehouse, answers: list[Answer]
) -> None:
    expected = {
        UUID(int=number + 1): profile
        for answer in answers
        for number, profile in answer.profile_of_record.items()
    }
    found = warehouse.ask(
        "select record_id, profile_id from identity.int_record_profiles"
    )
    assert dict(found) == expected


def test_the_worlds_show_every_rule(
    warehouse: Warehouse, answers: list[Answer]
) -> None:
    demotions = dict(
        warehouse.ask(
            "select demotion, count(*) from identity.int_solved_graph group by 1"
        )
    )
    assert min(demotions.get(name, 0) for name in ("shared", "edge", "separate")) > 5
    assert sum(len(answer.hubs) for answer in answers) > 5
    hubs = warehouse.ask("select count(*) from identity.int_identity_hubs")
    assert hubs == [(sum(len(answer.hubs) for answer in answers),)]
    assert warehouse.ask("select count(*) from identity.int_timed_records")[0][0] > 5


def test_arrival_in_shuffled_batches_gives_the_same_tables(
    worlds: list[World], warehouse: Warehouse, tmp_path: Path
) -> None:
    cut = prepared(worlds, tmp_path)
    landed = rows(worlds, load_id=1)
    random.Random(7).shuffle(landed)
    third = len(landed) // 3
    for load_id, start in enumerate((0, third, 2 * third), start=1):
        batch = landed[start : start + third + 3]  # three events arrive twice
        cut.insert("events", [row | {"_load_id": load_id} for row in batch])
        cut.build("+identity" if load_id == 3 else "+int_distinct_events")
    for query in PUBLIC:
        assert cut.ask(query) == warehouse.ask(query), query
