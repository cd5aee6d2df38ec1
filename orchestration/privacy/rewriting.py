"""The one way by which something is taken out of the landing zone: a segment is replaced by a smaller one of its name.

Every replacement is a line of the manifest (home/privacy/rewritten.ndjson), noted before the file is swapped in by rename:
what it was, what it is, how many lines. So a crash leaves the old form or the new one, and an old form that comes back
from a backup is recognised. What is to go is said by sieve.py.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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

# How the lines of contracts begin; the id is what follows.
_START = b'{"record_id":"'
_ID_LENGTH = 36
_ID = slice(len(_START), len(_START) + _ID_LENGTH)


@dataclass(frozen=True)
class Rewritten:
    """One line of the manifest. `size` is that of the new file, as it lies on the disk."""

    stream: str
    segment: str
    sha256_before: str
    sha256: str
    lines_before: int
    lines: int
    changed: int
    size: int


def rewrite(
    settings: Settings, segment: Segment, changes: Mapping[str, Change]
) -> Rewritten:
    """Replace an archived segment by one without what `changes` takes out."""
    old = content(segment)
    before = old.removesuffix(b"\n").split(b"\n") if old else []
    kept, changed = _kept(before, changes, key_of(settings))
    text = b"\n".join([*kept, b""]) if kept else b""
    draft = segment.path.with_name(f"{segment.name}.rewriting")
    _write(draft, text)
    entry = Rewritten(
        stream=segment.stream,
        segment=segment.name,
        sha256_before=hashlib.sha256(old).hexdigest(),
        sha256=hashlib.sha256(text).hexdigest(),
        lines_before=len(before),
        lines=len(kept),
        changed=changed,
        size=draft.stat().st_size,
    )
    _note(settings, entry)
    reached("privacy.drafted")
    draft.replace(segment.path)
    sync_folder(segment.path.parent)
    reached("privacy.replaced")
    return entry


def _kept(
    before: list[bytes], changes: Mapping[str, Change], key: str
) -> tuple[list[bytes], int]:
    """The lines that stay, and how many of them are others now."""
    wanted = {name.encode(): change for name, change in changes.items()}
    has_texts = any(len(name) != _ID_LENGTH for name in wanted)
    kept, changed = [], 0
    for line in before:
        # A torn line may begin like a record.
        change = wanted.get(line[_ID] if line.startswith(_START) else _id_of(line))
        if change is None and has_texts:
            change = wanted.get(_id_of(line))
        if change is None:
            kept.append(line)
        elif not isinstance(change, Drop):
            kept.append(_changed(line, change, key))
            changed += 1
    return kept, changed


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


def _write(draft: Path, text: bytes) -> None:
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with draft.open("wb") as file:
        file.write(packer.compress(text))
        file.flush()
        os.fsync(file.fileno())


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
