"""The identity graph as it stood at a landing position: rebuilt from exactly what had been loaded by then.

A position is a set of ledger rows (all loads up to one), never a cut-off in the records' own times. The rules are
those of today: seeds and vars are files of the project, not facts that landed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.assets.layers import parse_as_of
from orchestration.identity.scratch import build, copy_prefix, scratch
from orchestration.warehouse.schema import read_copy


class NoSuchPositionError(LookupError):
    """The text names no landing position. The message says which there are."""


@dataclass(frozen=True)
class Position:
    """All loads up to `load_id`; what they brought was landed until `landed_until` (UTC)."""

    load_id: int
    landed_until: datetime

    def __str__(self) -> str:
        return f"load {self.load_id}: everything landed until {self.landed_until:%Y-%m-%d %H:%M:%S} UTC"


def position(connection: duckdb.DuckDBPyConnection, text: str) -> Position:
    """The position of a load id, or the last one that holds nothing landed after a time."""
    loads = dict(connection.execute(_LANDED).fetchall())
    if not loads:
        raise NoSuchPositionError("Nothing has been loaded yet.")
    if text.strip().isdecimal():
        last = int(text) if int(text) in loads else None
    else:
        try:
            moment = parse_as_of(text)
        except ValueError as error:
            raise NoSuchPositionError(
                f"{text[:80]!r} is neither a load id nor a time such as 2026-01-31T00:00:00 (UTC)."
            ) from error
        within = [load for load, until in loads.items() if until <= moment]
        last = max(within, default=None)
    if last is None:
        first, end = min(loads), max(loads)
        raise NoSuchPositionError(
            f"{text[:80]!r} is before or beyond what was loaded: loads {first} ({loads[first]:%Y-%m-%d %H:%M:%S})"
            f" to {end} ({loads[end]:%Y-%m-%d %H:%M:%S} UTC)."
        )
    return Position(last, loads[last])


# Until when the loads up to each one had been landed; an empty segment brings nothing.
_LANDED = f"""
    with received as (
        {" union all ".join(f"select _load_id as load_id, max(received_at) as at from raw.{s} group by all" for s in STREAMS)}
    )
    select load_id, max(at) over (order by load_id) from received
"""


@contextmanager
def graph_as_of(settings: Settings, text: str) -> Iterator[tuple[Position, Path]]:
    """A scratch warehouse with the identity models as they stood at a position."""
    with read_copy(settings.published) as connection:
        found = position(connection, text)
    with scratch(settings) as file:
        copy_prefix(settings, file, found.load_id)
        build(settings, file, found.landed_until, "+identity")
        yield found, file
