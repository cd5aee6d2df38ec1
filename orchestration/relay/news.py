"""What the tail says, as far as the relay must know it: triggers, our own facts, and whom anything could have changed.

Nobody is identified here. Values are compared as plain text, whatever their type: a value too many makes somebody
wait for the refresh, a value too few could reach somebody who said no.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestration.relay.tail import Row

# So many digits from the end are the same in every spelling of a phone number.
PHONE_DIGITS = 8
# Types that say nothing about who somebody is until something stronger comes along.
DEVICES = ("anonymous_id", "device_id")


@dataclass(frozen=True)
class Meanings:
    """Which events change an answer, by type and name as the taxonomy knows them, and the triggers that start one."""

    news: frozenset[tuple[str, str]]
    triggers: frozenset[str]


@dataclass
class News:
    """Everything that matters of the tail since the copy was made."""

    meanings: Meanings
    triggers: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    links: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spellings: dict[str, set[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def hear(self, stream: str, row: Row) -> None:
        if stream == "journey_decisions":
            self.decisions.append(row)
        elif stream == "deliveries":
            self.deliveries.append(row)
        elif stream == "events":
            self._hear_event(row)
        else:
            # Extract rows and privacy requests: whoever they name.
            self.touched |= {plain(each["value"]) for each in row["identifiers"]}
            self._link(row)

    def _hear_event(self, row: Row) -> None:
        self._link(row)
        if row["shape"] == "trigger" and row["name"] in self.meanings.triggers:
            self.triggers.append(row)
        if row["consent"] is not None or self._is_news(row):
            self.touched |= {plain(each["value"]) for each in row["identifiers"]}
            self.touched |= {
                plain(value)
                for value in (row["properties"] or {}).values()
                if isinstance(value, str)
            }

    def _is_news(self, row: Row) -> bool:
        name = (row["name"] or "").translate(SPACES).strip().lower()
        known = self.meanings.news
        return (row["type"], name) in known or (row["type"], "*") in known

    def _link(self, row: Row) -> None:
        values = set()
        for each in row["identifiers"]:
            value = plain(each["value"])
            self.spellings[value].add((each["type"], each["value"]))
            values.add(value)
        if len(values) > 1:
            for value in values:
                self.links[value] |= values

    def around(self, values: Iterable[str]) -> set[str]:
        """These values and every one that the tail connects with them."""
        found, waiting = set(values), list(values)
        while waiting:
            more = self.links.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    def is_device(self, value: str) -> bool:
        """Whether the tail speaks of it as of a device and as of nothing else."""
        kinds = {kind for kind, _ in self.spellings.get(value, ())}
        return bool(kinds) and all(k in DEVICES or k.endswith(".id") for k in kinds)


SPACES = str.maketrans("_-/.", "    ")


def plain(value: str) -> str:
    """A form in which all spellings of one identifier agree."""
    text = value.strip().lower()
    digits = "".join(c for c in text if c.isdigit())
    if (
        len(digits) >= PHONE_DIGITS
        and not any(c.isalpha() for c in text)
        and "@" not in text
    ):
        return f"number {digits[-PHONE_DIGITS:]}"
    return text
