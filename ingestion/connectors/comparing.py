"""An extract against the memory of what was landed: which rows are new or changed, missing, or to be refused.

Everything found goes to the spool; nothing is landed here. pulling.py lands what comes out.
"""

import base64
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ingestion.connectors import mapping
from ingestion.connectors.declarations import EventRows, ExtractSource
from ingestion.connectors.event_rows import event
from ingestion.connectors.memory import BATCH, PLACE, Memory, fingerprint
from ingestion.connectors.rows import Reading, Row, Unreadable
from ingestion.connectors.spool import (
    BATCH_BYTES,
    MARKED_DELETED,
    REFUSED,
    Found,
    Prepared,
    Spool,
)
from ingestion.connectors.values import CellError, is_marked
from ingestion.contracts import STREAMS, Landed, Reject
from ingestion.contracts.clock import FUTURE_LIMIT
from ingestion.landing import new_record_id

log = logging.getLogger(__name__)

RAW_LIMIT = 64 * 1024  # bytes of a refused row that are kept
ROW_LIMIT = 4 * 1024 * 1024
"""Bytes of a landed row. The loader reads lines of up to 16 MiB; nothing that describes one person is near it."""
FEW = 10  # so many missing rows are believed, whatever share they are
SAID_EVERY = 100_000  # rows


@dataclass
class Comparison:
    """What was noticed while the extract was read; the rows themselves are in the spool."""

    counts: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    refused_files: set[str] = field(default_factory=set)
    keyless: int = 0  # rows that may be any of the missing ones
    newest: datetime | None = None  # time that a row of the extract is about


@dataclass(slots=True)
class _Judged:
    """A row that can be taken, if no other row of the pull speaks against it."""

    row: Row
    key: str
    row_hash: bytes
    body: mapping.Body | None  # None: marked as deleted


class Comparing:
    """One reading of an extract, batch by batch."""

    def __init__(self, source: ExtractSource, memory: Memory, spool: Spool) -> None:
        self._source, self._memory, self._spool = source, memory, spool
        self._contract: type[Landed] = STREAMS[source.kind]
        self._now = datetime.now(UTC)
        self._columns = source.columns
        self.found = Comparison()

    def read(self, reading: Reading) -> Comparison:
        """Read the whole extract once. Raises ExtractError."""
        for batch in _batches(self._source.extract.read(reading)):
            with self._spool.together():
                self._settle(list(self._judged(batch)))
            before = self.found.counts["read"]
            self.found.counts["read"] += len(batch)
            if before // SAID_EVERY < self.found.counts["read"] // SAID_EVERY:
                log.info("%s: %d rows read", self._source.source_id, before)
        return self.found

    def _judged(self, batch: Iterable[Row | Unreadable]) -> Iterator[_Judged]:
        """The rows that can be taken by themselves; the others are refused."""
        refused: list[str] = []
        for item in batch:
            key = None
            try:
                if (row := self._readable(item)) is None:
                    continue
                key = self._key(row)
                yield self._one(row, key)
            except CellError as error:
                self._refuse(item, error)
                if key is not None:
                    refused.append(key)
        self._spool.keep_refused(refused)

    def _readable(self, item: Row | Unreadable) -> Row | None:
        """The row, or None when its whole file was refused already."""
        found = self.found
        opening = item.file not in found.files
        if opening:
            found.files.add(item.file)
        if isinstance(item, Unreadable):
            found.keyless += 1
            raise CellError(item.code, "", item.detail)
        if opening:
            self._check_columns(item)
        elif item.file in found.refused_files:
            found.counts["rejected"] += 1
            return None
        return item

    def _check_columns(self, row: Row) -> None:
        """A column that is gone would silently empty an identifier or an amount for everyone."""
        gone = self._source.extract.missing_columns(row, self._columns)
        if gone:
            self.found.refused_files.add(row.file)
            self.found.keyless += 1
            names = ", ".join(repr(name) for name in gone)
            raise CellError(
                "missing_column",
                gone[0],
                f"there is no column {names}; none of the rows were read. "
                f"There are: {', '.join(list(row.values)[:30])}",
            )

    def _key(self, row: Row) -> str:
        try:
            place = f"{row.file}:{row.line}"
            return mapping.row_key(self._source, row.values, place)
        except CellError:
            self.found.keyless += 1
            raise

    def _one(self, row: Row, key: str) -> _Judged:
        source, values = self._source, row.values
        if source.delete_marker and is_marked(values, source.delete_marker):
            return _Judged(row, key, MARKED_DELETED, None)
        body = mapping.mapped(source, values)
        self._note_time(body)
        try:
            return _Judged(row, key, mapping.row_hash(body), body)
        except TypeError as error:
            raise _unwritable(error) from error

    def _note_time(self, body: mapping.Body) -> None:
        moment = mapping.time_of(body)
        if moment and (self.found.newest is None or moment > self.found.newest):
            self.found.newest = moment

    def _settle(self, judged: list[_Judged]) -> None:
        """Against the other rows of this pull, and against what is landed."""
        keys = [each.key for each in judged]
        earlier = self._spool.found(keys)
        known = self._memory.hashes(keys)
        taken: dict[str, Found] = {}
        fresh: dict[str, Prepared | None] = {}
        for each in judged:
            before = taken.get(each.key) or earlier.get(each.key)
            try:
                if self._is_settled(each, before):
                    continue
                fresh[each.key] = self._fresh(each, known.get(each.key))
            except CellError as error:
                self._refuse(each.row, error)
                taken.setdefault(each.key, before or Found(REFUSED, ""))
                continue
            taken[each.key] = Found(each.row_hash, each.row.file)
            if before and before.row_hash != REFUSED:
                self.found.counts["superseded"] += 1
        self._spool.take(taken, fresh)

    def _is_settled(self, each: _Judged, before: Found | None) -> bool:
        """Whether this pull has the row already. A later file replaces what an earlier one says."""
        if before is None or before.row_hash == REFUSED:
            return False
        if before.row_hash == each.row_hash:
            return True
        if before.file == each.row.file:
            raise CellError(
                "duplicate_key",
                self._source.row_key[0],
                f"another row has the key {each.key!r} and other content; the first was taken. "
                "Add the column that tells them apart to `row_key`",
            )
        return False

    def _fresh(self, each: _Judged, known: bytes | None) -> Prepared | None:
        """The row as it is to be landed; None if it is, or if it is gone."""
        if each.body is None or known == each.row_hash:
            return None
        return _prepared(self._landed(each, each.body))

    def _landed(self, each: _Judged, body: mapping.Body) -> Landed:
        row = each.row
        if isinstance(self._source, EventRows):
            given = (row, each.key, each.row_hash.hex(), self._now)
            return event(self._source, body, *given)
        fields = {
            **body,
            **_times(body, self._now),
            "source_id": self._source.source_id,
            "received_at": self._now,
            "row_key": each.key,
            "row_hash": each.row_hash.hex(),
            "file": row.file,
            "line": row.line,
        }
        try:
            return self._contract.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            detail = f"{path}: {first['msg']}"
            raise CellError("mistyped_value", path, detail) from error

    def _refuse(self, item: Row | Unreadable, error: CellError) -> None:
        self.found.counts["rejected"] += 1
        reject = _reject(self._source, item, error, self._now)
        mark = fingerprint(
            reject.endpoint, reject.code, reject.path, reject.encoding, reject.raw
        )
        if self._spool.refuse(mark, _prepared(reject)):
            self.found.counts["new_rejects"] += 1


def _batches(items: Iterable[Row | Unreadable]) -> Iterator[list[Row | Unreadable]]:
    """Items in batches that fit into memory, however long they are."""
    batch: list[Row | Unreadable] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def missing(
    source: ExtractSource, known: int, spool: Spool, found: Comparison, *, trusted: bool
) -> tuple[int, str]:
    """How many known rows are gone from the extract, and why they are not believed to be deleted; no reason: they are.

    `trusted`: a person has looked, and the extract is right.
    """
    if source.deletes == "none":
        return 0, ""
    gone = spool.find_missing()
    if not gone or trusted:
        return gone, ""
    if not found.counts["read"]:
        return gone, "the extract is empty or its files are missing"
    if found.keyless:
        return (
            gone,
            f"{found.keyless} rows or files could not be read and may hold them",
        )
    if gone > max(FEW, source.delete_limit * known):
        share = f"{gone} of {known}"
        return gone, f"{share} known rows are missing, more than `delete_limit` allows"
    return gone, ""


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


def _prepared(record: Landed) -> Prepared:
    """The record as a line. Raises CellError for one that cannot be a line, or is too long for one."""
    record_id = new_record_id()
    try:
        line = record.to_line(record_id)
    except ValueError as error:
        raise _unwritable(error) from error
    if len(line) > ROW_LIMIT:
        detail = f"the row has {len(line):,} bytes, more than {ROW_LIMIT:,}; leave out the column that is so long"
        raise CellError("too_long", "", detail)
    return Prepared(record.stream, record_id, line)


def _unwritable(error: Exception) -> CellError:
    return CellError("unwritable", "", f"the row cannot be written as JSON: {error}")


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
