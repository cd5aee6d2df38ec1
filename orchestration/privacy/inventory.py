"""The inventory: which place and column holds personal data, of which kind, what for, kept how long. It is inventory.yml;
here it is read and asked. A place or a column that it does not know fails a test."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.strict_yaml import read_yaml
from orchestration.privacy.tombstones import Records

FILE = Path(__file__).with_name("inventory.yml")

Kind = Literal["none", "pseudonym", "identifier", "personal", "free text", "secret"]

# Streams of which old records may go: the others are what the present is made of.
MAY_AGE = ("events", "rejects", "marketing")


class Place(BaseModel):
    """A folder or a file of the home. `kept`: what ends it."""

    model_config = ConfigDict(extra="forbid")

    holds: Kind
    what: str
    kept: str


class Kept(BaseModel):
    """How long some records of a stream are kept, and for which of its purposes. Without sources, types or names: all."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(ge=1)
    purpose: str | None = None
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Stream(BaseModel):
    model_config = ConfigDict(extra="forbid")

    holds: Kind
    purposes: list[str]
    kept: list[Kept] = []


class Inventory(BaseModel):
    """Columns go by their names: the first pattern that fits says what `table.column` holds."""

    model_config = ConfigDict(extra="forbid")

    places: dict[str, Place]
    streams: dict[str, Stream]
    columns: dict[str, Kind]
    others: list[str]

    def column(self, table: str, name: str) -> Kind | None:
        """What a column holds; None when the inventory does not know it."""
        for pattern, kind in self.columns.items():
            if fnmatchcase(f"{table}.{name}", pattern) or fnmatchcase(name, pattern):
                return kind
        return "none" if name in self.others else None


def load_inventory() -> Inventory:
    return Inventory.model_validate(read_yaml(FILE))


def retention(inventory: Inventory) -> dict[Records, int]:
    """Records → days that they are kept. Raises ValueError with every rule that cannot be."""
    kept = [(name, rule) for name, s in inventory.streams.items() for rule in s.kept]
    wrong = [
        f"{FILE.name}: {name}: {mistake}"
        for name, rule in kept
        for mistake in _mistakes(name, inventory.streams[name], rule)
    ]
    if wrong:
        raise ValueError("\n".join(wrong))
    return {
        Records(name, rule.sources, rule.types, rule.names): rule.days
        for name, rule in kept
    }


def _mistakes(name: str, stream: Stream, rule: Kept) -> Iterator[str]:
    if name not in MAY_AGE:
        yield (
            f"kept only for {rule.days} days, but the present is made of all of it; only {', '.join(MAY_AGE)} may age."
        )
    if rule.purpose is not None and rule.purpose not in stream.purposes:
        yield f"kept for {rule.purpose}, which is none of its purposes."
    if name != "events" and (rule.types or rule.names):
        yield "only events have types and names."
