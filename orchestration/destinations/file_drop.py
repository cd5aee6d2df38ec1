"""Audience changes as CSV files in a folder that somebody else picks up.

One file per batch, named by its content; then a manifest `<file>.manifest.json` with the row count and hash. A file
without a manifest is not there yet: readers go by manifests. A recipient's rows are ordered by `generation` across
files; the highest one holds. Both files appear by rename, so none is ever seen half written.
"""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import orjson
from pydantic import Field

from ingestion.crash_points import reached
from orchestration.destinations.base import (
    RECIPIENT_TYPES,
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    DestinationSettings,
    Outcome,
    Pace,
    Sync,
    every,
)

COLUMNS = (
    "op_id",
    "action",
    "recipient_type",
    "recipient",
    "generation",
    "attributes",
)


class FileDropSettings(DestinationSettings):
    kind: Literal["file_drop"]
    folder: Path = Field(
        default=Path(), description="Where to put files; relative to the outbox."
    )
    batch_size: int = Field(default=50_000, ge=1)


class FileDropDestination:
    """Writes one folder per sync under `settings.folder`."""

    recipient_types = RECIPIENT_TYPES
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    pace: Pace | None = None

    def __init__(self, settings: FileDropSettings, outbox: Path) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self._folder = outbox / settings.folder

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        content = _csv(changes)
        digest = hashlib.sha256(content).hexdigest()
        folder = self._folder / sync.sync_name
        file = folder / f"{digest[:32]}.csv"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(file, content)
            reached("file_drop.written")
            _write(
                folder / f"{file.name}.manifest.json",
                orjson.dumps(_manifest(sync, file.name, len(changes), digest)),
            )
        except OSError as error:
            # The manifest's rename may have happened before the folder's sync failed.
            return Answer(every(changes, Outcome("unknown", None, str(error)[:200])))
        return Answer(every(changes, Outcome("delivered", None, file.name)))

    def close(self) -> None:
        """Nothing is kept open."""


def _csv(changes: Sequence[ActivationChange]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for change in changes:
        attributes = orjson.dumps(change.payload).decode() if change.payload else ""
        writer.writerow(
            (
                change.op_id,
                change.action,
                change.recipient_type,
                change.handle,
                change.generation,
                attributes,
            )
        )
    return text.getvalue().encode()


def _manifest(sync: Sync, file: str, rows: int, digest: str) -> dict[str, object]:
    return {
        "file": file,
        "rows": rows,
        "sha256": digest,
        "sync": sync.sync_name,
        "audience": sync.audience_name,
        "purpose": sync.purpose,
        "columns": COLUMNS,
    }


def _write(path: Path, content: bytes) -> None:
    """Write so that the name holds all of the content or does not exist, also after a power cut."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
