"""The one way by which something is taken out of the landing zone: a segment is replaced by a smaller one of its name.

Every replacement is a line of the manifest (home/privacy/rewritten.ndjson), noted before the file is swapped in by rename:
what it was, what it is, how many lines. So a crash leaves the old form or the new one, and an old form that comes back
from a backup is recognised. What is to go is said by sieve.py.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import zstandard

from ingestion.crash_points import reached
from ingestion.landing import Segment, archived_segments, sealed_segments
from ingestion.settings import Settings
from orchestration.privacy.sieve import Change, Drop, Redact
from orchestration.privacy.tombstones import folder, hashed, key_of, sync_folder
from orchestration.warehouse.segments import LEVEL, content, measure

TAKEN_OUT = "[erased]"
TOMBSTONE = "tombstone"
"""The type of an identifier that is only its keyed hash."""
# Times that a record may stand before the one found last, until every line is looked at instead. Valid: 0 and up; each
# costs a look at the whole segment at the speed of memchr.
TURNS = 16

# How the lines of contracts begin; the id is what follows.
_START = b'{"record_id":"'
_ID_LENGTH = 36
_ID = slice(len(_START), len(_START) + _ID_LENGTH)


@dataclass(frozen=True)
class Rewritten:
    """One line of the manifest. `sha256_before` is of the text that was, `sha256` and `size` of the file that is."""

    stream: str
    segment: str
    sha256_before: str
    sha256: str
    lines_before: int
    lines: int
    changed: int
    size: int


class Known(NamedTuple):
    """What the ledger says of a segment's text, so that it need not be counted and hashed again."""

    bytes: int
    lines: int
    sha256: str


class Edit(NamedTuple):
    """A line of the text, its newline included, and what stands there instead: nothing, if it goes."""

    start: int
    end: int
    line: bytes


def rewrite(
    settings: Settings, segment: Segment, changes: Mapping[str, Change]
) -> Rewritten:
    """Replace an archived segment by one without what `changes` takes out, looking at every line."""
    old = content(segment)
    return _replace(settings, segment, old, _searched(old, changes, key_of(settings)))


def rewrite_loaded(
    settings: Settings,
    segment: Segment,
    old: bytes,
    changes: Mapping[str, Change],
    known: Known,
) -> Rewritten:
    """The same of a segment that was read and loaded, several times faster. Of a record that is there twice one may stay:
    who loads it anew looks at every line."""
    key = key_of(settings)
    edits = _found(old, changes, key)
    if edits is None:
        edits = _searched(old, changes, key)
    is_same = known.bytes == len(old)  # else it was rewritten since
    return _replace(settings, segment, old, edits, known if is_same else None)


def _replace(
    settings: Settings,
    segment: Segment,
    old: bytes,
    edits: Sequence[Edit],
    known: Known | None = None,
) -> Rewritten:
    if known is None:
        known = Known(len(old), len(_lines(old)), hashlib.sha256(old).hexdigest())
    draft = segment.path.with_name(f"{segment.name}.rewriting")
    packed = _write(draft, _pieces(old, edits))
    changed = sum(1 for edit in edits if edit.line)
    entry = Rewritten(
        stream=segment.stream,
        segment=segment.name,
        sha256_before=known.sha256,
        sha256=hashlib.sha256(packed).hexdigest(),
        lines_before=known.lines,
        lines=known.lines - len(edits) + changed,
        changed=changed,
        size=len(packed),
    )
    _note(settings, entry)
    reached("privacy.drafted")
    draft.replace(segment.path)
    sync_folder(segment.path.parent)
    reached("privacy.replaced")
    return entry


def _found(old: bytes, changes: Mapping[str, Change], key: str) -> list[Edit] | None:
    """By looking for one record after the other from where the last one was, as they come from the tables in the order of
    the file. None when one of them is not found so: then every line must be looked at."""
    edits, at, turns = [], 0, 0
    for name, change in changes.items():
        if len(name) != _ID_LENGTH:
            return None
        start = _line_of(old, name, at)
        if start < 0:
            turns += 1
            start = _line_of(old, name, 0) if turns <= TURNS else -1
        if start < 0:
            return None
        edits.append(_edit(old, start, change, key))
        at = edits[-1].end
    return sorted(edits)


def _line_of(old: bytes, name: str, at: int) -> int:
    sign = _START + name.encode() + b'"'
    start = old.find(sign, at)
    while start > 0 and old[start - 1 : start] != b"\n":
        start = old.find(sign, start + 1)
    return start


def _searched(old: bytes, changes: Mapping[str, Change], key: str) -> list[Edit]:
    """By looking at every line. A torn one may begin like a record, and its text stands in `changes`."""
    wanted = {name.encode(): change for name, change in changes.items()}
    has_texts = any(len(name) != _ID_LENGTH for name in wanted)
    edits, start = [], 0
    for line in _lines(old):
        change = wanted.get(line[_ID] if line.startswith(_START) else _id_of(line))
        if change is None and has_texts:
            change = wanted.get(_id_of(line))
        if change is not None:
            edits.append(_edit(old, start, change, key))
        start += len(line) + 1
    return edits


def _edit(old: bytes, start: int, change: Change, key: str) -> Edit:
    newline = old.find(b"\n", start)
    end = newline + 1 if newline >= 0 else len(old)
    if isinstance(change, Drop):
        return Edit(start, end, b"")
    return Edit(start, end, _changed(old[start:end], change, key) + b"\n")


def _pieces(old: bytes, edits: Sequence[Edit]) -> list[bytes | memoryview]:
    """The text with the edits in it, nothing of it copied. Its last line gets its newline."""
    view, at = memoryview(old), 0
    pieces: list[bytes | memoryview] = []
    for edit in edits:
        pieces += [view[at : edit.start], edit.line]
        at = edit.end
    pieces.append(view[at:])
    if at < len(old) and not old.endswith(b"\n"):
        pieces.append(b"\n")
    return [piece for piece in pieces if len(piece)]


def _lines(old: bytes) -> list[bytes]:
    return old.removesuffix(b"\n").split(b"\n") if old else []


def _id_of(line: bytes) -> bytes:
    """The id of a record; of a line that is none its text, as raw.load_rejects keeps it."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        record = None
    if isinstance(record, dict) and "record_id" in record:
        return str(record["record_id"]).encode()
    return line.decode("utf-8", "backslashreplace").encode()


def _changed(line: bytes, change: Change, key: str) -> bytes:
    record = orjson.loads(line)
    if isinstance(change, Redact):
        gone = set(change.values)
        record["identifiers"] = [
            each for each in record["identifiers"] if each["value"] not in gone
        ]
        return orjson.dumps(_without(record, sorted(gone, key=len, reverse=True)))
    record["identifiers"] = [
        {"type": TOMBSTONE, "value": hashed(key, each["type"], each["value"])}
        for each in record["identifiers"]
    ]
    record["proof"] = record["proof"] and TAKEN_OUT
    record["requester"] = record["requester"] and TAKEN_OUT
    return orjson.dumps(record)


def _without(value: Any, gone: list[str]) -> Any:
    """The same value, with those texts taken out of every text in it."""
    if isinstance(value, dict):
        return {name: _without(each, gone) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, gone) for each in value]
    if isinstance(value, str):
        for text in gone:
            value = value.replace(text, TAKEN_OUT)
    return value


def _write(draft: Path, pieces: Sequence[bytes | memoryview]) -> bytes:
    """The packed text, which is on the disk when this returns."""
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    packing = packer.compressobj(size=sum(len(piece) for piece in pieces))
    packed = b"".join([*(packing.compress(piece) for piece in pieces), packing.flush()])
    with draft.open("wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    return packed


def _note(settings: Settings, entry: Rewritten) -> None:
    path = folder(settings) / "rewritten.ndjson"
    with os.fdopen(
        os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "wb"
    ) as file:
        file.write(orjson.dumps(asdict(entry)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def manifest(settings: Settings) -> list[Rewritten]:
    """Every replacement that was ever noted, the oldest first. A torn last line was never acted upon."""
    path = settings.home.resolve() / "privacy" / "rewritten.ndjson"
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [Rewritten(**orjson.loads(line)) for line in whole.splitlines()]


def forget_originals(settings: Settings) -> int:
    """Remove sealed segments that are an earlier form of one that was rewritten: a backup was put back; how many."""
    earlier = {(each.segment, each.sha256_before) for each in manifest(settings)}
    names = {name for name, _ in earlier}
    archived = {each.name for each in archived_segments(settings.landing)}
    removed = 0
    for segment in sealed_segments(settings.landing):
        if (
            segment.name in names & archived
            and (segment.name, measure(segment).sha256) in earlier
        ):
            segment.path.unlink()
            removed += 1
    return removed


def came_back(settings: Settings) -> list[Segment]:
    """Archived segments that are not the file they were rewritten to: a backup was put back over them."""
    sizes = {(each.stream, each.segment): each.size for each in manifest(settings)}
    if not sizes:
        return []
    return [
        segment
        for segment in archived_segments(settings.landing)
        if sizes.get((segment.stream, segment.name), segment.bytes) != segment.bytes
    ]
