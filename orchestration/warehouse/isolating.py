"""The slow path of a load: tell the lines of a segment that can be read from those that cannot, with a reason.

Used only when a segment does not load as a whole. Strictly the fast path's own test decides; Python goes first
because it is quick and explains better.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import orjson

from ingestion.contracts import STREAMS
from orchestration.warehouse.schema import required_columns


@dataclass(frozen=True)
class BadLine:
    """A line that could not be read. `number` counts from 1."""

    number: int
    reason: str
    text: bytes


@dataclass(frozen=True)
class Isolated:
    good: list[bytes]
    bad: list[BadLine]


def isolate(
    stream: str, texts: list[bytes], count: Callable[[Path], int], scratch: Path
) -> Isolated:
    """Split the lines of a segment. `count` says how many rows the fast path reads from a file, or raises."""
    numbered = list(enumerate(texts, start=1))
    bad = [
        BadLine(n, why, text) for n, text in numbered if (why := fault(stream, text))
    ]
    known = {line.number for line in bad}
    left = [(n, text) for n, text in numbered if n not in known]
    bad += _refused_by_the_reader(left, count, scratch)
    known = {line.number for line in bad}
    good = [text for n, text in numbered if n not in known]
    return Isolated(good, sorted(bad, key=lambda line: line.number))


def fault(stream: str, text: bytes) -> str | None:
    """Why a line is no landed record of the stream, or None."""
    if not text.strip():
        return "empty line"
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"no JSON: {error}"
    if not isinstance(row, dict):
        return "no JSON object"
    if row.get("stream") != stream:
        return f"belongs to the stream {row.get('stream')!r}, not {stream!r}"
    missing = [c for c in required_columns(STREAMS[stream]) if row.get(c) is None]
    return f"without {', '.join(missing)}" if missing else None


def _refused_by_the_reader(
    numbered: list[tuple[int, bytes]], count: Callable[[Path], int], scratch: Path
) -> list[BadLine]:
    """Halve what does not load until single lines are left."""
    if not numbered:
        return []
    scratch.write_bytes(b"".join(text + b"\n" for _, text in numbered))
    reason = "is not one record"
    try:
        if count(scratch) == len(numbered):
            return []
    except duckdb.Error as error:  # a cluster reads on and counts
        reason = str(error).splitlines()[0].replace(f' in file "{scratch}"', "")
    if len(numbered) == 1:
        return [BadLine(numbered[0][0], reason, numbered[0][1])]
    half = len(numbered) // 2
    first, second = numbered[:half], numbered[half:]
    return [
        *_refused_by_the_reader(first, count, scratch),
        *_refused_by_the_reader(second, count, scratch),
    ]
