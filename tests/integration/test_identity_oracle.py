"""Identity on random graphs, held against the naive oracle after every batch.

Every world is a small independent graph; hundreds of them share one warehouse, so that a few dbt runs judge all. What
happens to a world is spread over a few steps: records arrive in any order, some twice, extract rows are deleted, and
rules come and go. After each step the graph, brought up to date by what the step changed, must be what the rules make
of everything; and whoever is somebody else than before must be touched.
"""

import hashlib
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from tests.integration.identity_oracle import Answer, Identifier, Pair, Record, solve
from tests.integration.warehouse import Warehouse

START = datetime(2026, 1, 1)
WORLDS = 400
STEPS = 3
SPAN = 1000  # record numbers of a world
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
    "select * from identity.int_identity_edges order by node_a, node_b",
    "select * from identity.int_hub_suspects order by identifier_id",
    "select * from identity.int_candidate_identifiers order by all",
    "select * from identity.int_identifier_sets order by identifier_set_id",
    "select * from identity.fct_identity_demotions order by all",
    "select * from identity.fct_profile_merges order by all",
    "select * from identity.identity_changes_pending order by all",
)


class Happening(NamedTuple):
    """A record, in which step it arrives, and in which its row is deleted. `event` is the record it repeats."""

    record: Record
    arrives: int
    event: int
    is_row: bool = False
    deleted: int | None = None


class World:
    """People who share devices, mistype, and alias themselves; every value carries the world's number."""

    def __init__(self, number: int, steps: int) -> None:
        self.number = number
        self.steps = steps
        self.random = random.Random(number)
        # A tenth of the worlds are wide: many people and devices and one e-mail
        # address that everybody types, so that hubs appear.
        self.is_wide = number % 10 == 3
        size = 200 if self.is_wide else self.random.choice((4, 8, 15, 30, 60))
        self.happenings = [h for place in range(size) for h in self.happening(place)]
        values = sorted(
            {
                (kind, value.lower().strip() if kind == "email" else value)
                for happening in self.happenings
                for kind, value in happening.record.identifiers
                if kind in POOLS and value not in BLANKS
            }
        )
        self.never = self.in_time(self.pairs(values, self.random.choice((0, 0, 1, 3))))
        self.always = self.in_time(
            self.pairs(values, self.random.choice((0, 0, 0, 1, 2))) - set(self.never)
        )
        count = min(len(values), self.random.choice((0, 0, 1, 2)))
        self.blocked = self.in_time(set(self.random.sample(values, count)))

    def happening(self, place: int) -> list[Happening]:
        kinds = self.random.sample(sorted(POOLS), self.random.choice((1, 1, 2, 2, 3)))
        identifiers = [(kind, self.value(kind)) for kind in kinds]
        is_alias = self.random.random() < 0.08
        if is_alias:
            kind = self.random.choice(sorted(POOLS))
            identifiers.append(("previous_id", self.value(kind)))
        if self.random.random() < 0.05:
            identifiers.append(("user_id", self.random.choice(BLANKS)))
        record = Record(
            number=self.number * SPAN + place * 2 + 1,
            occurred_at=self.random.randrange(40),
            identifiers=tuple(identifiers),
            is_trusted=is_alias and self.random.random() < 0.5,
        )
        arrives = self.random.randrange(self.steps)
        is_row = not is_alias and self.random.random() < 0.2
        later = self.random.choice((None, *range(arrives + 1, self.steps)))
        found = [Happening(record, arrives, record.number, is_row, is_row and later)]
        if not is_row and later and self.random.random() < 0.2:
            # The same event again, under a smaller record id and about somebody else.
            other = (*identifiers[1:], ("ios.id", self.value("ios.id")))
            record = record._replace(number=record.number - 1, identifiers=other)
            found.append(Happening(record, later, record.number + 1))
        return found

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
        pairs = {frozenset(self.random.sample(values, 2)) for _ in range(count)}
        return {pair for pair in pairs if len(pair) == 2}

    def in_time(self, rules: set[Any]) -> dict[Any, range]:
        """Each rule with the steps in which it holds."""
        return {
            rule: range(
                self.random.randrange(self.steps),
                self.random.choice((self.steps - 1, self.steps)),
            )
            for rule in sorted(rules, key=str)
        }

    def records(self, step: int) -> list[Record]:
        """What counts after the step: of a repeated event the smallest record, of a deleted row no evidence."""
        events: dict[int, Record] = {}
        for record, arrives, event, is_row, deleted in self.happenings:
            if arrives > step:
                continue
            gone = is_row and deleted and deleted <= step
            record = record._replace(is_withdrawn=bool(gone))
            events[event] = min(events.get(event, record), record)
        return list(events.values())

    def rules(self, name: str, step: int) -> set[Any]:
        return {rule for rule, steps in getattr(self, name).items() if step in steps}

    def answer(self, step: int) -> Answer:
        names = ("never", "always", "blocked")
        return solve(self.records(step), *(self.rules(name, step) for name in names))


class Worlds:
    """Many worlds in one warehouse, taken through their steps."""

    def __init__(self, folder: Path, seed: int = 0, steps: int = STEPS) -> None:
        first = seed * WORLDS
        numbers = range(first, first + WORLDS)
        self.worlds = [World(number, steps) for number in numbers]
        self.random = random.Random(seed)
        self.warehouse = Warehouse(folder)
        self.warehouse.insert(
            "sources", [{"source_id": "trusted", "trusted_alias": True}]
        )
        self.loads = 0
        self.touches = 0

    def arrive(self, *steps: int) -> None:
        """What happens in these steps, shuffled."""
        self.loads += 1
        events, rows = self.landed(set(steps))
        self.random.shuffle(events)
        self.warehouse.insert("events", events)
        self.warehouse.insert("profiles", rows)

    def decide(self, step: int) -> None:
        for name in ("never", "always"):
            rules = [rule for world in self.worlds for rule in world.rules(name, step)]
            pairs = [[*a, *b, "test"] for a, b in map(sorted, rules)]
            self.warehouse.set_seed(f"{name}_together", *pairs)
        blocked = [
            rule for world in self.worlds for rule in world.rules("blocked", step)
        ]
        rows = [[kind, "exact", value.lower(), "test"] for kind, value in blocked]
        self.warehouse.set_seed("blocked_identifiers", *rows)

    def landed(
        self, steps: set[int]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        events, rows = [], []
        for world in self.worlds:
            for record, arrives, event, is_row, deleted in world.happenings:
                if arrives in steps and is_row:
                    rows.append(self.row(record, "upsert"))
                elif arrives in steps:
                    events.append(self.event(record, event))
                if is_row and deleted in steps:
                    rows.append(self.row(record, "delete"))
        return events, rows

    def event(self, record: Record, event: int) -> dict[Any, Any]:
        return self.common(record) | {
            "source_id": "trusted" if record.is_trusted else "web",
            "event_id": str(event),
            "type": "track",
            "name": "Seen",
            "occurred_at": START + timedelta(minutes=record.occurred_at),
            "properties": "{}",
            "context": "{}",
        }

    def row(self, record: Record, op: str) -> dict[Any, Any]:
        number = record.number + SPAN // 2 if op == "delete" else record.number
        return self.common(record) | {
            "record_id": UUID(int=number + 1),
            "source_id": "crm",
            "row_key": str(record.number),
            "row_hash": op,
            "op": op,
            "observed_at": START + timedelta(minutes=record.occurred_at),
        }

    def common(self, record: Record) -> dict[Any, Any]:
        return {
            "record_id": UUID(int=record.number + 1),
            "received_at": START,
            "identifiers": [
                {"type": kind, "value": value} for kind, value in record.identifiers
            ],
            "_load_id": self.loads,
        }

    def refresh(self) -> None:
        self.warehouse.build("+identity")

    def refresh_but_die(self) -> None:
        """What a refresh leaves that was killed between any two models."""
        order = self.warehouse.order("identity")
        self.warehouse.build(*order[: self.random.randrange(1, len(order))])

    def solved_anew(self) -> bool:
        """Whether the last refresh looked at everything."""
        counts = [
            self.warehouse.ask(f"select count(*) from identity.{name}")
            for name in ("int_changed_sets", "int_identifier_sets")
        ]
        return counts[0] >= counts[1]

    def answers(self, step: int) -> list[Answer]:
        return [world.answer(step) for world in self.worlds]

    def touched(self) -> set[str]:
        """The profiles that were touched since this was asked last."""
        found = self.warehouse.ask(
            "select profile_id, _touch_id from identity.int_profile_touches "
            f"where _touch_id > {self.touches}"
        )
        self.touches = max([self.touches, *(number for _, number in found)])
        return {profile for profile, _ in found}


def judge(worlds: Worlds, answers: list[Answer]) -> None:
    """What is stored is what the rules say."""
    identifiers = {
        (kind, value): (profile, (kind, value) in answer.shared)
        for answer in answers
        for (kind, value), profile in answer.profile_of.items()
    }
    found = worlds.warehouse.ask(
        "select identifier_type, identifier_value, profile_id, is_shared from identity.dim_identifiers"
    )
    assert {(kind, value): tuple(rest) for kind, value, *rest in found} == identifiers
    found = worlds.warehouse.ask(
        "select record_id, profile_id from identity.int_record_profiles"
    )
    assert {record.int - 1: profile for record, profile in found} == {
        number: profile
        for answer in answers
        for number, profile in answer.profile_of_record.items()
    }
    hubs = "select count(*) from identity.int_hub_suspects where is_hub"
    assert worlds.warehouse.ask(hubs) == [(sum(len(a.hubs) for a in answers),)]


def moved(before: list[Answer], after: list[Answer]) -> set[str]:
    """Every profile whose records or identifiers are others than before."""
    profiles = set()
    for old, new in zip(before, after, strict=True):
        for name in ("profile_of", "profile_of_record"):
            was, now = getattr(old, name), getattr(new, name)
            for key in was.keys() | now.keys():
                if was.get(key) != now.get(key):
                    profiles |= {was.get(key), now.get(key)} - {None}
    return profiles


def go_through(worlds: Worlds, steps: int, dies_at: set[int]) -> list[Answer]:
    before = [Answer() for _ in worlds.worlds]
    answers = before
    for step in range(steps):
        worlds.decide(step)
        worlds.arrive(step)
        if step in dies_at:
            worlds.refresh_but_die()
        worlds.refresh()
        assert step == 0 or not worlds.solved_anew()
        answers = worlds.answers(step)
        judge(worlds, answers)
        assert moved(before, answers) - worlds.touched() == set()
        before = answers
    return answers


def show_every_rule(worlds: Worlds, answers: list[Answer]) -> None:
    demotions = dict(
        worlds.warehouse.ask(
            "select demotion, count(*) from identity.fct_identity_demotions group by 1"
        )
    )
    kinds = ("shared", "edge", "separate", "hub")
    assert min(demotions.get(kind, 0) for kind in kinds) > 5
    timed = worlds.warehouse.ask("select count(*) from identity.int_timed_records")
    assert timed[0][0] > 5


def all_at_once(folder: Path, seed: int = 0, steps: int = STEPS) -> Worlds:
    worlds = Worlds(folder, seed, steps)
    worlds.decide(steps - 1)
    worlds.arrive(*range(steps))
    worlds.refresh()
    return worlds


def test_the_graph_follows_every_change_and_is_what_a_rebuild_makes(
    tmp_path: Path,
) -> None:
    """Batches in any order, deletions, rules that come and go, one refresh killed and run again."""
    worlds = Worlds(tmp_path / "in_steps")
    answers = go_through(worlds, STEPS, dies_at={STEPS - 1})
    show_every_rule(worlds, answers)
    rebuilt = all_at_once(tmp_path / "at_once")
    for query in PUBLIC:
        assert worlds.warehouse.ask(query) == rebuilt.warehouse.ask(query), query
    rebuilt.touched()
    rebuilt.refresh()
    assert rebuilt.touched() == set(), "a refresh without news touched somebody"


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(1, 5))
def test_it_does_for_many_graphs_killed_at_every_step(
    tmp_path: Path, seed: int
) -> None:
    steps = 8
    worlds = Worlds(tmp_path / "in_steps", seed, steps)
    go_through(worlds, steps, dies_at=set(range(1, steps)))
    rebuilt = all_at_once(tmp_path / "at_once", seed, steps)
    for query in PUBLIC:
        assert worlds.warehouse.ask(query) == rebuilt.warehouse.ask(query), query
