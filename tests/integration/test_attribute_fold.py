"""The attribute fold in SQL against a fold in Python that reads one observation after the other.

The oracle is written from the table in the rules of attributes, and shares nothing with the models.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.contracts import Event
from ingestion.settings import Settings
from tests.integration.rooms import build, declare, land_and_load, rows
from tests.landed import platform

SEED = 20260131
PROFILES = 2500
PRIORITIES = {"crm": 10, "shop": 20, "form": 20}
EXTRA_RULES = "('last', 'latest', ''), ('top', 'max', '')"
RULES = {
    "created_at": "min",
    "top": "max",
    "last": "latest",
    "signup_source": "first",
    "birth_date": "source_priority",
    "language": "most_frequent",
    "tags": "union",
}
SPELLINGS = {
    "firstName": "first_name",
    "address.city": "city",
    "Last Name": "last_name",
}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

SCALARS = ["a", "b", "", "Zoë", 1, 2, 10, 1.5, True, False, "1", 'say "hi"', "x.y"]
KEYS = ["plan", "first_name", "firstName", "Last Name", "a.b", "x[0]", *RULES]


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def leaves(traits: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in traits.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif value != "":
            yield f"{prefix}{key}", value


class Attribute:
    """One path of one person: what was said since the last null, and the value it adds up to."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.said: list[tuple[Any, int]] = []
        self.value: str | None = None

    def hear(self, value: Any, priority: int) -> None:
        if value is None:
            self.said, self.value = [], None
            return
        before = [earlier for earlier, _ in self.said]
        self.said.append((value, priority))
        if self.rule == "fold":
            self.value = self._folded(value, first_list=list not in map(type, before))
        else:
            self.value = getattr(self, f"_{self.rule}")()

    def _folded(self, value: Any, first_list: bool) -> str:
        state = None if self.value is None else json.loads(self.value)
        if isinstance(value, list):
            if state is None or isinstance(state, list):
                return text(value)
            assert first_list
            return text(without_duplicates([state, *value]))
        if isinstance(state, list):
            held = [text(item) for item in state]
            return text(state if text(value) in held else [*state, value])
        return text(value)

    def _latest(self) -> str:
        return text(self.said[-1][0])

    def _first(self) -> str:
        return text(self.said[0][0])

    def _source_priority(self) -> str:
        best = min(priority for _, priority in self.said)
        return text([value for value, priority in self.said if priority == best][-1])

    def _most_frequent(self) -> str:
        counts: dict[str, int] = defaultdict(int)
        chosen, most = "", 0
        for value, _ in self.said:
            counts[text(value)] += 1
            if counts[text(value)] >= most:
                chosen, most = text(value), counts[text(value)]
        return chosen

    def _min(self) -> str:
        return min((text(value) for value, _ in self.said), key=size)

    def _max(self) -> str:
        return max((text(value) for value, _ in self.said), key=size)

    def _union(self) -> str | None:
        union: list[Any] = []
        for value, _ in self.said:
            new = value if isinstance(value, list) else [value]
            union = without_duplicates([*union, *sorted(new, key=text)])
        return text(union) if union else None


def without_duplicates(items: list[Any]) -> list[Any]:
    return list({text(item): item for item in items}.values())


def size(value: str) -> tuple[bool, float, str]:
    """Numbers, also as texts, before everything else."""
    plain = json.loads(value)
    if isinstance(plain, bool | list):
        return True, 0.0, value
    try:
        return False, float(plain), value
    except ValueError:
        return True, 0.0, value


class Person:
    """All attributes of one person and the log of what changed."""

    def __init__(self) -> None:
        self.attributes: dict[str, Attribute] = {}
        self.log: dict[str, list[tuple[str | None, str | None, int]]] = defaultdict(
            list
        )

    def hear(self, path: str, value: Any, priority: int, record: int) -> None:
        """An object replaces a scalar by its keys, a scalar replaces an object."""
        for rival in list(self.attributes):
            if rival.startswith(f"{path}.") or path.startswith(f"{rival}."):
                self._change(rival, None, priority, record)
        self._change(path, value, priority, record)

    def _change(self, path: str, value: Any, priority: int, record: int) -> None:
        attribute = self.attributes.setdefault(path, Attribute(RULES.get(path, "fold")))
        old = attribute.value
        attribute.hear(value, priority)
        if attribute.value != old:
            self.log[path].append((old, attribute.value, record))


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


def random_event(pick: random.Random, person: int, number: int) -> Event:
    paths = pick.sample([*KEYS, "address"], pick.randint(1, 4))
    traits = {path: random_value(pick) for path in paths}
    context = {"traits": {pick.choice(KEYS): random_value(pick)}}
    return Event(
        source_id=pick.choice(list(PRIORITIES)),
        event_id=f"{person}-{number}",
        type=pick.choice(["identify", "identify", "track"]),
        occurred_at=NOON + timedelta(minutes=pick.randint(0, 6)),
        identifiers=[{"type": "user_id", "value": f"person-{person}"}],
        traits=traits,
        context=context if pick.random() < 0.3 else None,
        channel="server",
        shape="segment",
    )


def expected(events: list[Event]) -> dict[str, Person]:
    """Every person as the oracle sees them; a record is known by its place in the landing zone."""
    people: dict[str, Person] = defaultdict(Person)
    order = sorted(
        range(len(events)),
        key=lambda n: (events[n].occurred_at, -PRIORITIES[events[n].source_id], n),
    )
    for number in order:
        event = events[number]
        person = people[event.identifiers[0]["value"]]
        for traits in ((event.context or {}).get("traits"), event.traits):
            for sent, value in sorted(leaves(traits or {}), key=lambda leaf: leaf[0]):
                path = SPELLINGS.get(sent, sent)
                person.hear(path, value, PRIORITIES[event.source_id], number)
    return people


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[Event]]:
    home = platform(tmp_path_factory.mktemp("fold"))
    for source_id, priority in PRIORITIES.items():
        declare(home, source_id, priority=priority)
    pick = random.Random(SEED)
    events = [
        random_event(pick, person, number)
        for person in range(PROFILES)
        for number in range(pick.randint(1, 7))
    ]
    pick.shuffle(events)
    land_and_load(home, events)
    build(home, "fct_attribute_changes", seeds={"attribute_rules": EXTRA_RULES})
    return home, events


def logged(warehouse: Path) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    """The same log as the models have it: person → path → changes in order."""
    people: dict[str, dict[str, list[tuple[Any, ...]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    changes = rows(
        warehouse,
        """
        select e.user_id, c.path, c.old_value, c.new_value, e.event_id
        from profiles.fct_attribute_changes as c
        inner join staging.fct_events as e on c.record_id = e.record_id
        order by c.profile_id, c.path, c.step_number
        """,
    )
    for person, path, old, new, event_id in changes:
        people[person][path].append((old, new, event_id))
    return people


def test_every_change_of_every_attribute_is_the_one_that_folding_by_hand_finds(
    folded: tuple[Settings, list[Event]],
) -> None:
    home, events = folded
    found = logged(home.warehouse)
    people = expected(events)
    assert len(people) == PROFILES
    for name, person in people.items():
        log = {
            path: [(old, new, events[n].event_id) for old, new, n in changes]
            for path, changes in person.log.items()
        }
        assert dict(found.get(name, {})) == log, name


def test_folding_the_changes_gives_the_profile_back(
    folded: tuple[Settings, list[Event]],
) -> None:
    home, events = folded
    standing = {
        (person, path): changes[-1][1]
        for person, paths in logged(home.warehouse).items()
        for path, changes in paths.items()
        if changes[-1][1] is not None
    }
    assert standing == {
        (name, path): attribute.value
        for name, person in expected(events).items()
        for path, attribute in person.attributes.items()
        if attribute.value is not None
    }


def test_every_kind_of_step_was_met(folded: tuple[Settings, list[Event]]) -> None:
    """The random input is worth something: each cell of the table and each rule occurs often."""
    home, _ = folded
    kinds = rows(
        home.warehouse,
        """
        select rule, kind, count(*)
        from profiles.int_attribute_steps group by all
        """,
    )
    assert {rule for rule, _, _ in kinds} == {"fold", *RULES.values()}
    assert min(count for rule, _, count in kinds if rule == "fold") > 500
