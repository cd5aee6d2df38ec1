"""Where the evidence comes from, and the form of an answer: one step per stage, the last of them may be a stop."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.identity.finding import NotFoundError
from orchestration.profile.reading import profile_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What happened at one stage. `is_stop`: it went no further; `remedy` says what would make it."""

    stage: str
    said: str
    is_stop: bool = False
    remedy: str = ""
    evidence: Row = field(default_factory=dict)


@dataclass
class Evidence:
    """The read copy, and the landing zone's tail."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings

    def rows(self, sql: str, **values: object) -> list[Row]:
        cursor = self.connection.execute(sql, values)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, found, strict=True)) for found in cursor.fetchall()]

    def tail(self, stream: str) -> list[Row]:
        """What of a stream was landed and is not in the copy."""
        return list(read_tail(self.settings.landing, stream, self._loaded(stream)))

    def profile(self, asked: str) -> str | None:
        """The person that is meant, if one is."""
        try:
            return profile_of(self.connection, asked)
        except NotFoundError:
            return None

    @cached_property
    def segments(self) -> list[Row]:
        return self.rows("select stream, segment from raw.loads")

    def _loaded(self, stream: str) -> set[str]:
        return {row["segment"] for row in self.segments if row["stream"] == stream}


def told(steps: Iterator[Step]) -> Iterator[str]:
    """The lines of an answer."""
    for step in steps:
        yield f"  {'✗' if step.is_stop else '✓'} {step.stage}: {step.said}"
        shown = {name: value for name, value in step.evidence.items() if value}
        for name, value in shown.items():
            yield f"      {name}: {value}"
        if step.remedy:
            yield f"      → {step.remedy}"
