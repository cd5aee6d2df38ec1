"""Audience changes as files that somebody else picks up: CSV or Parquet, in a folder or wherever fsspec reaches.

One file per batch, named by its content; then a manifest `<file>.manifest.json` with the row count and hash. A file
without a manifest is not there yet: readers go by manifests. A recipient's rows are ordered by `generation` across
files; the highest one holds. In a folder both files appear by rename, so none is ever seen half written; elsewhere a
reader checks the manifest's hash.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import fsspec  # type: ignore[import-untyped]
import orjson
from pydantic import Field

from ingestion.crash_points import reached
from orchestration.destinations.base import (
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
# How a cell begins that spreadsheets compute; a phone number or another plain number is none.
_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?![0-9]*$)")


class FileDropSettings(DestinationSettings):
    kind: Literal["file_drop"]
    folder: Path = Field(
        default=Path(), description="Where to put files; relative to the outbox."
    )
    url: str | None = Field(
        default=None, description="Instead of a folder: a URL of fsspec, like s3://…"
    )
    options: dict[str, Any] = Field(
        default={}, description="What fsspec's file system of the URL wants to know."
    )
    format: Literal["csv", "parquet"] = "csv"
    batch_size: int = Field(default=50_000, ge=1)


class FileDropDestination:
    """Writes one folder per sync under `settings.folder` or `settings.url`."""

    recipient_types: frozenset[str] | None = None
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    updates_only = True
    pace: Pace | None = None

    def __init__(self, settings: FileDropSettings, outbox: Path) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self._settings = settings
        self._folder = outbox / settings.folder

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        if refused := [c for c in changes if self._is_formula(c)]:
            good = [c for c in changes if not self._is_formula(c)]
            answer = self.send(sync, good) if good else Answer({})
            said = Outcome("rejected", None, "a spreadsheet would compute it")
            return replace(answer, outcomes={**answer.outcomes, **every(refused, said)})
        content = (_csv if self._settings.format == "csv" else _parquet)(changes)
        digest = hashlib.sha256(content).hexdigest()
        name = f"{digest[:32]}.{self._settings.format}"
        manifest = orjson.dumps(_manifest(sync, name, len(changes), digest))
        try:
            self._write(sync.sync_name, name, content)
            reached("file_drop.written")
            self._write(sync.sync_name, f"{name}.manifest.json", manifest)
        except Exception as error:
            # Every file system has errors of its own. The manifest may be there although its writing failed.
            detail = f"{type(error).__name__}: {error}"[:200]
            return Answer(every(changes, Outcome("unknown", None, detail)))
        return Answer(every(changes, Outcome("delivered", None, name)))

    def _is_formula(self, change: ActivationChange) -> bool:
        """Whether the file, opened in a spreadsheet, would run what somebody called themselves. Who is there may leave."""
        is_text = self._settings.format == "csv" and change.action != "exit"
        return is_text and _FORMULA.match(change.handle) is not None

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, folder: str, name: str, content: bytes) -> None:
        if self._settings.url is None:
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
            return _write(self._folder / folder / name, content)
        system, root = fsspec.core.url_to_fs(
            self._settings.url, **self._settings.options
        )
        path = PurePosixPath(root, folder, name)
        system.makedirs(str(path.parent), exist_ok=True)
        system.pipe_file(str(path), content)
        return None


def _csv(changes: Sequence[ActivationChange]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(change) for change in changes)
    return text.getvalue().encode()


def _parquet(changes: Sequence[ActivationChange]) -> bytes:
    """All columns are text but the generation."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    types = [
        (name, pyarrow.int64() if name == "generation" else pyarrow.string())
        for name in COLUMNS
    ]
    rows = [dict(zip(COLUMNS, _row(change), strict=True)) for change in changes]
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(types))
    content = io.BytesIO()
    pyarrow.parquet.write_table(table, content)
    return content.getvalue()


def _row(change: ActivationChange) -> tuple[str, str, str, str, int, str]:
    attributes = orjson.dumps(change.payload).decode() if change.payload else ""
    return (
        change.op_id,
        change.action,
        change.recipient_type,
        change.handle,
        change.generation,
        attributes,
    )


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
