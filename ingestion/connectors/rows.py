"""What a connector is and what it yields: rows as extracted, and lines it could not read.

No mapping to the contracts here (mapping.py), no landing and no memory of earlier pulls (pulling.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict


class ExtractError(Exception):
    """The extract cannot be read at all: a sentence with the remedy, and no secret in it. Nothing was landed."""


@dataclass(slots=True)
class Row:
    """One row as the source gave it; `line` counts physical lines (CSV, NDJSON) or rows (all others) from 1."""

    values: dict[str, Any]
    file: str
    line: int
    text: bytes | Sequence[str] | None = None
    """What stood in the file; None where rows are no text."""

    @property
    def size(self) -> int:
        """About how much it is, in characters."""
        if self.text is None:
            return sum(len(v) for v in self.values.values() if isinstance(v, str))
        if isinstance(self.text, bytes):
            return len(self.text)
        return sum(map(len, self.text))

    @property
    def raw(self) -> bytes:
        """The row's bytes; made only for rows that are refused."""
        if isinstance(self.text, bytes):
            return self.text
        if self.text is None:
            return orjson.dumps(self.values, default=str)
        return "".join(self.text).encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class Unreadable:
    """Bytes that are no row: what is wrong with them, where, and the bytes themselves."""

    file: str
    line: int
    code: str
    detail: str
    raw: bytes

    @property
    def size(self) -> int:
        return len(self.raw)


@dataclass
class Reading:
    """One reading of an extract: where it starts, and what the connector noticed on the way."""

    base: Path
    """Where relative places start from."""
    scratch: Path
    """A folder on disk for what does not fit into memory."""
    since: Any = None
    """The highest value of the connector's cursor that earlier readings saw; None: read everything."""
    highest: Any = None
    """The highest value of the cursor that this reading saw."""
    written_at: datetime | None = None
    """When the newest file was written, where there are files."""

    def note_written(self, moment: datetime | None) -> None:
        if moment and (self.written_at is None or moment > self.written_at):
            self.written_at = moment


class Connector(BaseModel, ABC):
    """The settings of one kind of extract, and the way to read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    REMEDIES: ClassVar[dict[str, str]] = {}
    """Field → what to write there, for the message when it is wrong."""

    connector: str

    @abstractmethod
    def read(self, reading: Reading) -> Iterator[Row | Unreadable]:
        """Everything the extract holds now, or all of it since `reading.since`, in a stable order.

        Raises ExtractError when it cannot be read at all.
        """

    @property
    def cursor_column(self) -> str | None:
        """The column whose highest value the next reading starts from; None where each reads everything."""
        return None

    @property
    def has_columns(self) -> bool:
        """Whether every row has the same columns, so that a missing one is a mistake and not a blank."""
        return False

    def missing_columns(self, row: Row, wanted: Iterable[str]) -> list[str]:
        """Which of `wanted` the extract no longer has, judged by a row."""
        if not self.has_columns:
            return []
        return sorted(
            column
            for column in set(wanted)
            if column not in row.values
            and column.split("[")[0].split(".")[0] not in row.values
        )
