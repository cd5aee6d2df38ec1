"""What a connector is and what it yields: rows as extracted, and lines it could not read.

No mapping to the contracts here (mapping.py), no landing and no memory of earlier pulls (pulling.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the source gave it; `line` counts physical lines (CSV, NDJSON) or items (JSON) from 1."""

    values: dict[str, Any]
    file: str
    line: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no row: what is wrong with them, where, and the bytes themselves."""

    file: str
    line: int
    code: str
    detail: str
    raw: bytes


class Connector(BaseModel, ABC):
    """The settings of one kind of extract, and the way to read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connector: str

    @abstractmethod
    def read(self, base: Path) -> Iterator[Row | Unreadable]:
        """Everything the extract holds now, in a stable order; relative places start from `base`."""

    def missing_columns(self, row: Row, wanted: Iterable[str]) -> list[str]:
        """Which of `wanted` the extract no longer has, judged by a row; none where rows may leave fields out."""
        return []
