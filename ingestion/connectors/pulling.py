"""One pull of one source: land what is new, changed, deleted or refused, then remember it.

What that is, comparing.py finds out; what earlier pulls landed, memory.py knows. Nothing is landed before the whole
extract is read, so an extract that breaks off lands nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import orjson

from ingestion.connectors.comparing import Comparing, Comparison, missing
from ingestion.connectors.cursors import from_noted, to_noted
from ingestion.connectors.declarations import ExtractSource
from ingestion.connectors.memory import BATCH, Memory, last_records, remembered
from ingestion.connectors.rows import Reading
from ingestion.connectors.spool import Spool, spooled
from ingestion.contracts import STREAMS, Landed
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter

DELETED = "0" * 64  # in place of a deleted row's hash
FORGOTTEN = ("traits", "consent", "properties")  # what a deleted row no longer says


@dataclass(frozen=True)
class PullResult:
    """What a pull found: read = landed + unchanged + superseded + rejected."""

    source_id: str
    files: int
    read: int
    landed: int
    superseded: int  # older versions of rows that a later file holds again
    rejected: int
    new_rejects: int  # of the rejected, those not on record yet
    deleted: int
    held_deletes: int  # missing rows that are not believed to be deleted
    note: str  # why they are not
    rows: int  # that the source holds now
    rows_before: int  # that it held when it last looked right; 0 at first
    newest: datetime | None  # time of the newest file or row
    shrunk: bool  # so many rows fewer that a person should look

    @property
    def unchanged(self) -> int:
        return self.read - self.landed - self.superseded - self.rejected

    @property
    def changed(self) -> bool:
        """Whether anything was landed."""
        return bool(self.landed or self.deleted or self.new_rejects)


def pull(
    source: ExtractSource,
    writer: LandingWriter,
    home: Path,
    *,
    extracts: Path | None = None,
    trusted: bool = False,
) -> PullResult:
    """Land what changed in the source's extract since its last pull; a second pull lands nothing.

    `extracts` is where relative globs start (`home`/extracts if not given). `trusted` says that a person has looked:
    rows that are gone are deleted, however many. Raises ExtractError, and what the landing zone raises.
    """
    folder = home / "connectors"
    base = (extracts or home / "extracts").resolve()
    with (
        remembered(source.source_id, source.kind, home) as memory,
        spooled(memory, folder / f"{source.source_id}.spool") as spool,
    ):
        reading = Reading(base, folder, since=_since(source, memory))
        found = Comparing(source, memory, spool).read(reading)
        gone, doubt = missing(source, memory.count(), spool, found, trusted=trusted)
        if doubt:
            spool.forget_missing()
        spool.find_marked()
        result = _result(source, memory, spool, found, reading, gone, doubt, trusted)
        if result.changed:
            memory.begin()
            _land(writer, source, spool, home / "landing")
            reached("connector.landed")
        spool.remember(_notes(source, result, reading))
    return result


def _result(
    source: ExtractSource,
    memory: Memory,
    spool: Spool,
    found: Comparison,
    reading: Reading,
    gone: int,
    doubt: str,
    trusted: bool,
) -> PullResult:
    rows, before = spool.rows_held(), memory.noted("rows") or 0
    return PullResult(
        source_id=source.source_id,
        files=len(found.files),
        read=found.counts["read"],
        landed=spool.count("fresh"),
        superseded=found.counts["superseded"],
        rejected=found.counts["rejected"],
        new_rejects=found.counts["new_rejects"],
        deleted=spool.count("gone"),
        held_deletes=gone if doubt else 0,
        note=doubt,
        rows=rows,
        rows_before=before,
        newest=_newest(source, memory, reading, found),
        shrunk=not trusted and source.has_shrunk(rows, before),
    )


def _newest(
    source: ExtractSource, memory: Memory, reading: Reading, found: Comparison
) -> datetime | None:
    """The newest file or row. Where only new rows are read, it may be one of an earlier pull."""
    newest = source.newest(reading.written_at, found.newest)
    noted = memory.noted("newest")
    earlier = datetime.fromisoformat(noted) if noted else None
    if earlier and (newest is None or (reading.since is not None and newest < earlier)):
        return earlier
    return newest


def _since(source: ExtractSource, memory: Memory) -> object:
    """Where the connector's cursor stood, unless the declaration means something else by now."""
    if memory.noted("declared") != source.fingerprint():
        return None
    return from_noted(memory.noted("cursor"))


def _notes(
    source: ExtractSource, result: PullResult, reading: Reading
) -> dict[str, object]:
    """What the next pull wants to know. A sudden loss of rows does not become the measure of what is normal."""
    notes: dict[str, object] = {"declared": source.fingerprint()}
    if reading.highest is not None:
        notes["cursor"] = to_noted(reading.highest)
    if result.newest is not None:
        notes["newest"] = result.newest.isoformat()
    if not result.shrunk:
        notes["rows"] = result.rows
    return notes


def _land(
    writer: LandingWriter, source: ExtractSource, spool: Spool, landing: Path
) -> None:
    for rows in spool.prepared("fresh", source.kind):
        writer.land(rows)
    deletions = _deletions(source, spool, landing)
    while batch := list(islice(deletions, BATCH)):
        writer.land(batch)
    for rejects in spool.prepared("rejects", "rejects"):
        writer.land(rejects)


def _deletions(source: ExtractSource, spool: Spool, landing: Path) -> Iterator[Landed]:
    """The last landed record of each missing row, as deleted: it keeps its identifiers, not its contents."""
    if not spool.count("gone"):
        return
    for records in last_records(source.source_id, source.kind, landing):
        gone = spool.gone(record["row_key"] for record in records)
        with spool.together():
            spool.keep_latest(
                (record["row_key"], record["record_id"], orjson.dumps(record))
                for record in records
                if record["row_key"] in gone
            )
    contract = STREAMS[source.kind]
    for line in spool.latest():
        yield _deleted(contract, orjson.loads(line))


def _deleted(contract: type[Landed], last: dict[str, object]) -> Landed:
    kept = {name: last[name] for name in contract.model_fields if name in last}
    for name in ("record_id", "received_at"):
        del kept[name]
    emptied = dict.fromkeys(name for name in FORGOTTEN if name in kept)
    return contract.model_validate(
        {**kept, **emptied, "op": "delete", "row_hash": DELETED}
    )
