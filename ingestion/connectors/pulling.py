"""One pull of one source: land what is new, changed, deleted or refused, then remember it.

What that is, comparing.py finds out; what earlier pulls landed, memory.py knows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.connectors import mapping
from ingestion.connectors.comparing import Comparison, compared, missing
from ingestion.connectors.declarations import ExtractSource
from ingestion.connectors.memory import Memory, fingerprint, latest, remembered
from ingestion.contracts import STREAMS, Landed, Reject
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter

CHUNK = 1000  # rows landed with one sync
DELETED = mapping.row_hash({"op": "delete"})
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
) -> PullResult:
    """Land what changed in the source's extract since its last pull; a second pull lands nothing.

    `extracts` is where relative globs start (`home`/extracts if not given). Raises what the landing zone raises.
    """
    with remembered(source.source_id, source.kind, home) as memory:
        found = compared(source, memory, (extracts or home / "extracts").resolve())
        gone, doubt = missing(source, memory, found)
        deletes = [] if doubt else _deletions(source, home / "landing", gone)
        rejects = _not_on_record(memory, found.rejects)
        if found.fresh or deletes or rejects:
            memory.begin()
            _land(writer, [*found.fresh.values(), *deletes, *rejects])
            reached("connector.landed")
            _remember(memory, found, deletes)
            memory.commit()
    return PullResult(
        source_id=source.source_id,
        files=len(found.files),
        read=found.counts["read"],
        landed=len(found.fresh),
        superseded=found.counts["superseded"],
        rejected=found.counts["rejected"],
        new_rejects=len(rejects),
        deleted=len(deletes),
        held_deletes=len(gone) if doubt else 0,
        note=doubt,
    )


def _land(writer: LandingWriter, records: Sequence[Landed]) -> None:
    for start in range(0, len(records), CHUNK):
        writer.land(records[start : start + CHUNK])


def _deletions(source: ExtractSource, landing: Path, gone: set[str]) -> list[Landed]:
    """The last landed record of each missing row, as deleted: it keeps its identifiers, not its contents."""
    if not gone:
        return []
    last = latest(source.source_id, source.kind, landing)
    contract = STREAMS[source.kind]
    deletes = []
    for key in sorted(gone & last.keys()):
        kept = {
            name: last[key][name] for name in contract.model_fields if name in last[key]
        }
        for name in ("record_id", "received_at"):
            del kept[name]
        emptied = dict.fromkeys(name for name in FORGOTTEN if name in kept)
        deleted = {**kept, **emptied, "op": "delete", "row_hash": DELETED}
        deletes.append(contract.model_validate(deleted))
    return deletes


def _not_on_record(memory: Memory, rejects: Sequence[Reject]) -> list[Reject]:
    """Refusals that are new: a bad row that stays in the extract is refused once."""
    counted: Counter[str] = Counter()
    fresh = []
    for reject in rejects:
        mark = _mark(reject)
        counted[mark] += 1
        if counted[mark] > memory.refused[mark]:
            fresh.append(reject)
    return fresh


def _remember(memory: Memory, found: Comparison, deletes: Sequence[Landed]) -> None:
    memory.rows.update(found.hashes)
    for deleted in deletes:
        del memory.rows[str(deleted.model_dump()["row_key"])]
    memory.refused |= Counter(_mark(reject) for reject in found.rejects)


def _mark(reject: Reject) -> str:
    return fingerprint(
        reject.endpoint, reject.code, reject.path, reject.encoding, reject.raw
    )
