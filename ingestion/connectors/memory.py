"""What earlier pulls of a source landed: a hash per row, and the refusals already on record.

The state file is a cache. The landing zone is the truth: when the file is missing, broken or was left behind by a
pull that died, it is rebuilt from there, so a row never lands twice.
"""

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ingestion.landing import read_tail

VERSION = 1
PLACE = "extract:"
"""Rejects of extracts name their file as `extract:<file>` where a request names its endpoint."""


@dataclass
class Memory:
    """Row key → hash of the row as last landed, deleted ones left out; fingerprint → times refused."""

    path: Path
    rows: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Say on disk that a pull is landing: whoever finds this later has to look in the landing zone."""
        self._write({"version": VERSION, "landing": True})

    def commit(self) -> None:
        """Say on disk what is landed now."""
        self._write({"version": VERSION, "rows": self.rows, "refused": self.refused})

    def _write(self, state: dict[str, Any]) -> None:
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(state))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        _sync_folder(self.path.parent)


@contextmanager
def remembered(source_id: str, stream: str, home: Path) -> Iterator[Memory]:
    """The memory of a source, held by one pull at a time."""
    folder = home / "connectors"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{source_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / f"{source_id}.json"
        landing = home / "landing"
        yield _from_file(path, landing / stream) or _from_landing(
            path, source_id, stream, landing
        )


def fingerprint(
    place: str | None, code: str, column: str | None, encoding: str, raw: str
) -> str:
    """One refusal, wherever in the file it stands."""
    parts = orjson.dumps([place, code, column, encoding, raw])
    return hashlib.sha256(parts).hexdigest()[:32]


def _from_file(path: Path, streamed: Path) -> Memory | None:
    """The state file, unless it cannot be trusted."""
    try:
        state = orjson.loads(path.read_bytes())
        if state["version"] != VERSION or (state["rows"] and not streamed.exists()):
            return None
        return Memory(path, state["rows"], Counter(state["refused"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _from_landing(path: Path, source_id: str, stream: str, landing: Path) -> Memory:
    memory = Memory(path)
    for record in latest(source_id, stream, landing).values():
        if record["op"] == "upsert":
            memory.rows[record["row_key"]] = record["row_hash"]
    for record in read_tail(landing, "rejects", set()):
        place = record["endpoint"]
        if record["source_id"] == source_id and place and place.startswith(PLACE):
            mark = fingerprint(
                place, record["code"], record["path"], record["encoding"], record["raw"]
            )
            memory.refused[mark] += 1
    return memory


def latest(source_id: str, stream: str, landing: Path) -> dict[str, dict[str, Any]]:
    """Row key → the last record landed for it, whatever segment it is in."""
    found: dict[str, dict[str, Any]] = {}
    for record in read_tail(landing, stream, set()):
        if record["source_id"] != source_id:
            continue
        key = record["row_key"]
        if key not in found or record["record_id"] > found[key]["record_id"]:
            found[key] = record
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
