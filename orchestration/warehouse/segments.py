"""Segments as files: measured, read line by line, and archived so that a damaged copy is noticed.

Knows no table and no Dagster. How segments come to be is `ingestion.landing`.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from ingestion.crash_points import reached
from ingestion.landing import Segment

CHUNK = 1 << 20

LEVEL = 1
"""Of zstd. Level 3 takes twice the time, a tenth of a whole load, for hardly smaller files."""


class SegmentDamaged(RuntimeError):  # noqa: N818 - says what happened
    """An archived segment cannot be read back in full."""


@dataclass(frozen=True)
class Measured:
    """A segment with what the ledger says about it. `bytes` and `sha256` are of the uncompressed text."""

    stream: str
    name: str
    path: Path
    lines: int
    bytes: int
    sha256: str

    @property
    def is_archived(self) -> bool:
        return self.path.suffix == ".zst"


def measure(segment: Segment) -> Measured:
    """Read a segment once, to its end. A last line without its newline counts as a line."""
    digest, size, newlines, last = hashlib.sha256(), 0, 0, b"\n"
    for chunk in _chunks(segment.path):
        digest.update(chunk)
        size += len(chunk)
        newlines += chunk.count(b"\n")
        last = chunk[-1:]
    return Measured(
        stream=segment.stream,
        name=segment.name,
        path=segment.path,
        lines=newlines + (last != b"\n"),
        bytes=size,
        sha256=digest.hexdigest(),
    )


def content(segment: Segment | Measured) -> bytes:
    """The uncompressed text."""
    packed = segment.path.read_bytes()
    if segment.path.suffix != ".zst":
        return packed
    try:
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise _damaged(segment.path) from error


def lines(segment: Measured) -> list[bytes]:
    """The lines without their newlines."""
    text = content(segment)
    return text.removesuffix(b"\n").split(b"\n") if text else []


def archive(segment: Measured, landing: Path) -> None:
    """Move a sealed segment into the archive, compressed. The original goes last, after the copy was read back."""
    folder = landing / segment.stream / "archive"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{segment.name}.ndjson.zst"
    if not copy.exists():
        _compress(segment, copy)
    reached("loader.archived")
    segment.path.unlink()
    _sync_folder(segment.path.parent)


def _compress(segment: Measured, copy: Path) -> None:
    draft = copy.with_suffix(".partial")
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with segment.path.open("rb") as source, draft.open("wb") as target:
        compressor.copy_stream(source, target, size=segment.bytes)
        target.flush()
        os.fsync(target.fileno())
    written = measure(Segment(segment.name, segment.stream, draft, segment.bytes))
    if written.sha256 != segment.sha256:
        raise SegmentDamaged(
            f"The archive copy of {segment.stream}/{segment.name} differs from the segment: "
            "the disk does not keep what is written. The segment was left where it is."
        )
    draft.replace(copy)
    _sync_folder(copy.parent)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        compressed = path.suffix in (".zst", ".partial")
        yield from _decompressed(file, path) if compressed else _plain(file)


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _decompressed(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Readers take a truncated zstd file for a short one; the size in its header tells."""
    try:
        expected = zstandard.get_frame_parameters(file.read(18)).content_size
        file.seek(0)
        size = 0
        for chunk in zstandard.ZstdDecompressor().read_to_iter(file, write_size=CHUNK):
            size += len(chunk)
            yield chunk
    except zstandard.ZstdError as error:
        raise _damaged(path) from error
    if size != expected:
        raise _damaged(path)


def _damaged(path: Path) -> SegmentDamaged:
    return SegmentDamaged(
        f"The archived segment {path} is damaged. Restore it from a backup and run again; nothing of it was loaded."
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
