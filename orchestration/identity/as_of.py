"""The identity graph as it stood at a landing position: rebuilt from exactly what had been landed by then.

A position is a set of ledger rows, so whole segments, never a cut-off in the records' own times. The rules are those
of today: seeds and vars are files of the project, not facts that landed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.identity.scratch import build, copy_loads, scratch
from orchestration.logical_time import parse_as_of
from orchestration.warehouse.schema import read_copy


class NoSuchPositionError(LookupError):
    """The text names no landing position. The message says which there are."""


@dataclass(frozen=True)
class Position:
    """The loads that count, and until when what they brought was landed (UTC)."""

    loads: tuple[int, ...]
    landed_until: datetime

    def __str__(self) -> str:
        return f"{self.landed_until:%Y-%m-%d %H:%M:%S} UTC, {len(self.loads)} loads"


def position(connection: duckdb.DuckDBPyConnection, text: str) -> Position:
    """The loads up to a load id, or those that brought nothing landed after a time.

    Load ids are those of this warehouse: a rebuild numbers anew. A time means the same segments ever after.
    """
    landed = dict(connection.execute(_LANDED).fetchall())
    times = {load: until for load, until in landed.items() if until}
    if text.strip().isdecimal():
        asked = int(text) if int(text) in landed else 0
        chosen = [load for load in landed if load <= asked]
    else:
        moment = _moment(text)
        chosen = [load for load, until in times.items() if until <= moment]
    held = [times[load] for load in chosen if load in times]
    if not held:
        raise NoSuchPositionError(
            f"At {text[:80]!r} nothing had been loaded. {_range(times)}"
        )
    return Position(tuple(chosen), max(held))


def _moment(text: str) -> datetime:
    try:
        return parse_as_of(text)
    except ValueError as error:
        raise NoSuchPositionError(
            f"{text[:80]!r} is neither a load id nor a time such as 2026-01-31T00:00:00 (UTC)."
        ) from error


def _range(landed: dict[int, datetime]) -> str:
    if not landed:
        return "Nothing has been loaded yet."
    return (
        f"There are loads {min(landed)} to {max(landed)}, landed from"
        f" {min(landed.values()):%Y-%m-%d %H:%M:%S} to {max(landed.values()):%Y-%m-%d %H:%M:%S} UTC."
    )


# Until when each load had been landed; NULL for one whose lines were all refused.
_LANDED = (
    "select loads.load_id, max(landed.received_at) from raw.loads left join ("
    + " union all ".join(
        f"select _load_id as load_id, received_at from raw.{stream}"
        for stream in STREAMS
    )
    + ") as landed on loads.load_id = landed.load_id group by loads.load_id order by loads.load_id"
)


@contextmanager
def graph_as_of(settings: Settings, text: str) -> Iterator[tuple[Position, Path]]:
    """A scratch warehouse with the identity models as they stood at a position."""
    with read_copy(settings.published) as connection:
        found = position(connection, text)
    with scratch(settings) as file:
        copy_loads(settings, file, found.loads)
        build(settings, file, found.landed_until, "+identity")
        yield found, file
