"""The inventory: which place and column holds personal data, of which kind, what for, kept how long. It is inventory.yml;
here it is read and asked. A place or a column that it does not know fails a test."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.strict_yaml import read_yaml

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


class Stream(BaseModel):
    model_config = ConfigDict(extra="forbid")

    holds: Kind
    purposes: list[str]
    kept_days: int | None = Field(default=None, ge=1)


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


def retention(inventory: Inventory) -> dict[str, int]:
    """Stream → days that its records are kept. Raises ValueError for one that must not age."""
    days = {name: s.kept_days for name, s in inventory.streams.items() if s.kept_days}
    wrong = sorted(set(days) - set(MAY_AGE))
    if wrong:
        raise ValueError(
            f"{FILE.name} keeps {', '.join(wrong)} only for some days, but the present is made of all of it; only "
            f"{', '.join(MAY_AGE)} may age."
        )
    return days
