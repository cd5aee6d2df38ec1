"""An extract against the memory of what was landed: which rows are new or changed, missing, or to be refused.

Nothing is written here; pulling.py lands what comes out.
"""

import base64
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ingestion.connectors import mapping
from ingestion.connectors.declarations import ExtractSource
from ingestion.connectors.memory import PLACE, Memory
from ingestion.connectors.rows import Row, Unreadable
from ingestion.connectors.values import CellError
from ingestion.contracts import STREAMS, Landed, Reject
from ingestion.contracts.clock import FUTURE_LIMIT

log = logging.getLogger(__name__)

RAW_LIMIT = 64 * 1024  # bytes of a refused row that are kept
FEW = 10  # so many missing rows are believed, whatever share they are


@dataclass
class Comparison:
    """What an extract holds, next to what was landed before."""

    hashes: dict[str, str] = field(default_factory=dict)  # of every row taken, by key
    fresh: dict[str, Landed] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    keys: set[str] = field(
        default_factory=set
    )  # of every row with a key, refused ones too
    origin: dict[str, str] = field(default_factory=dict)  # key → file
    files: set[str] = field(default_factory=set)
    refused_files: set[str] = field(default_factory=set)
    keyless: int = 0  # rows that may be any of the missing ones
    counts: Counter[str] = field(default_factory=Counter)


def compared(source: ExtractSource, memory: Memory, base: Path) -> Comparison:
    """Read the whole extract once."""
    found, now = Comparison(), datetime.now(UTC)
    for item in source.extract.read(base):
        found.counts["read"] += 1
        if found.counts["read"] % 100_000 == 0:
            log.info("%s: %d rows read", source.source_id, found.counts["read"])
        try:
            _take(source, memory, found, item, now)
        except CellError as error:
            found.counts["rejected"] += 1
            found.rejects.append(_reject(source, item, error, now))
    return found


def missing(
    source: ExtractSource, memory: Memory, found: Comparison
) -> tuple[set[str], str]:
    """Keys that are gone from the extract, and why they are not believed to be deleted; no reason: they are."""
    if source.deletes == "none":
        return set(), ""
    gone = memory.rows.keys() - found.keys
    if not gone:
        return gone, ""
    if not found.counts["read"]:
        return gone, "the extract is empty or its files are missing"
    if found.keyless:
        return (
            gone,
            f"{found.keyless} rows or files could not be read and may hold them",
        )
    if len(gone) > max(FEW, source.delete_limit * len(memory.rows)):
        share = f"{len(gone)} of {len(memory.rows)}"
        return gone, f"{share} known rows are missing, more than `delete_limit` allows"
    return gone, ""


def _take(
    source: ExtractSource,
    memory: Memory,
    found: Comparison,
    item: Row | Unreadable,
    now: datetime,
) -> None:
    """One row into the comparison. Raises CellError for a row that is to be refused."""
    opening = item.file not in found.files
    found.files.add(item.file)
    if isinstance(item, Unreadable):
        found.keyless += 1
        raise CellError(item.code, "", item.detail)
    if item.file in found.refused_files:
        found.counts["rejected"] += 1
        return
    if opening:
        _check_columns(source, found, item)
    key = _key(source, found, item)
    body, digest = _mapped(source, item)
    if _settled(source, found, item, key, digest):
        return
    if memory.rows.get(key) == digest:
        found.fresh.pop(key, None)
    else:
        found.fresh[key] = _landed(source, item, key, body, digest, now)
    found.counts["superseded"] += key in found.hashes
    found.hashes[key], found.origin[key] = digest, item.file


def _check_columns(source: ExtractSource, found: Comparison, row: Row) -> None:
    """A column that is gone would silently empty an identifier or an amount for everyone."""
    gone = source.extract.missing_columns(row, mapping.columns(source))
    if gone:
        found.refused_files.add(row.file)
        found.keyless += 1
        names = ", ".join(repr(name) for name in gone)
        raise CellError(
            "missing_column",
            gone[0],
            f"the file has no column {names}; none of its rows were read",
        )


def _key(source: ExtractSource, found: Comparison, row: Row) -> str:
    try:
        key = mapping.row_key(source, row.values)
    except CellError:
        found.keyless += 1
        raise
    found.keys.add(key)
    return key


def _mapped(source: ExtractSource, row: Row) -> tuple[mapping.Body, str]:
    body = mapping.mapped(source, row.values)
    try:
        return body, mapping.row_hash(body)
    except TypeError as error:
        raise CellError(
            "unwritable", "", f"the row cannot be written as JSON: {error}"
        ) from error


def _settled(
    source: ExtractSource, found: Comparison, row: Row, key: str, digest: str
) -> bool:
    """Whether this pull has the row already. A later file replaces what an earlier one says."""
    earlier = found.hashes.get(key)
    if earlier is None or earlier == digest:
        return earlier is not None
    if found.origin[key] == row.file:
        raise CellError(
            "duplicate_key",
            source.row_key[0],
            f"another row of the file has the key {key!r} and other content; the first was taken. "
            "Add the column that tells them apart to `row_key`",
        )
    return False


def _landed(
    source: ExtractSource,
    row: Row,
    key: str,
    body: mapping.Body,
    digest: str,
    now: datetime,
) -> Landed:
    try:
        return STREAMS[source.kind].model_validate(
            {
                **body,
                **_times(body, now),
                "source_id": source.source_id,
                "received_at": now,
                "row_key": key,
                "row_hash": digest,
                "file": row.file,
                "line": row.line,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise CellError("mistyped_value", path, f"{path}: {first['msg']}") from error


def _times(body: mapping.Body, now: datetime) -> mapping.Body:
    """A row without a time is as old as this pull. One from the future would outlive every later change."""
    ahead = (body.get("observed_at") or now) - now
    if ahead > FUTURE_LIMIT:
        detail = f"the row says it will be true in {ahead.days} days; correct its time"
        raise CellError("in_the_future", "observed_at", detail)
    return {
        name: body[name] or now
        for name in ("observed_at", "occurred_at")
        if name in body
    }


def _reject(
    source: ExtractSource, item: Row | Unreadable, error: CellError, now: datetime
) -> Reject:
    raw, encoding = _as_text(item.raw[:RAW_LIMIT])
    fields: dict[str, Any] = {
        "source_id": source.source_id,
        "received_at": now,
        "code": error.code,
        "path": error.column or None,
        "detail": f"{item.file}, line {item.line}: {error.detail}",
        "endpoint": PLACE + item.file,
        "item": item.line,
        "encoding": encoding,
        "raw": raw,
    }
    return Reject(**fields)


def _as_text(raw: bytes) -> tuple[str, str]:
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode("ascii"), "base64"
