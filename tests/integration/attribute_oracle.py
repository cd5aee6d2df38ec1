"""The attribute fold as a person would do it by hand: one observation after the other.

Written from the table in the rules of attributes; shares nothing with the models. Making people up is people.py.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


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

    def __init__(self, rules: dict[str, str]) -> None:
        self.rules = rules
        self.attributes: dict[str, Attribute] = {}
        self.log: dict[str, list[tuple[str | None, str | None, str]]] = defaultdict(
            list
        )

    def hear(self, path: str, value: Any, priority: int, record: str) -> None:
        """An object replaces a scalar by its keys, a scalar replaces an object."""
        for rival in list(self.attributes):
            if rival.startswith(f"{path}.") or path.startswith(f"{rival}."):
                self._change(rival, None, priority, record)
        self._change(path, value, priority, record)

    def _change(self, path: str, value: Any, priority: int, record: str) -> None:
        attribute = self.attributes.setdefault(
            path, Attribute(self.rules.get(path, "fold"))
        )
        old = attribute.value
        attribute.hear(value, priority)
        if attribute.value != old:
            self.log[path].append((old, attribute.value, record))


class Said(NamedTuple):
    """Traits of one record, in the order in which records of one person are heard."""

    occurred_at: str
    source_rank: int
    record_id: str
    place: int
    traits: dict[str, Any]


def folded(
    said: Iterable[Said], rules: dict[str, str], spellings: dict[str, str]
) -> Person:
    """One person after everything said about them; a smaller rank is a source believed more."""
    person = Person(rules)
    for one in sorted(
        said, key=lambda s: (s.occurred_at, -s.source_rank, s.record_id, s.place)
    ):
        for sent, value in sorted(leaves(one.traits), key=lambda leaf: leaf[0]):
            path = spellings.get(sent, sent)
            person.hear(path, value, one.source_rank, one.record_id)
    return person
