"""Segments: the files of the landing zone. Naming, locking, sealing, recovery, listing and reading them.

    <root>/<stream>/open/<segment>.ndjson        one writer appends, holding a lock
                    sealed/<segment>.ndjson      complete, waiting for the loader
                    archive/<segment>.ndjson.zst loaded

A segment keeps its name through all three. What is written when, and who waits for it, is `ingestion.landing`.
"""

import fcntl
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import zstandard
from uuid_utils.compat import uuid7

from ingestion.crash_points import reached

OPEN, SEALED, ARCHIVE = "open", "sealed", "archive"
SUFFIX = {OPEN: ".ndjson", SEALED: ".ndjson", ARCHIVE: ".ndjson.zst"}


@dataclass(frozen=True, order=True)
class Segment:
    """A complete file of the landing zone. Names are unique everywhere and sort by time of opening."""

    name: str
    stream: str
    path: Path
    bytes: int


class Disk:
    """What the landing zone asks of the operating system; tests hand in disks that fail or dawdle."""

    def lock(self, fd: int) -> bool:
        """Take the exclusive lock, without waiting. False if somebody else holds it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def write(self, fd: int, data: bytes) -> None:
        """Write all of `data`, or raise OSError."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def sync(self, fd: int) -> None:
        """Return when everything written so far would survive a power cut."""
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in `folder` would survive a power cut."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class OpenSegment:
    """A file that one writer appends to, locked for as long as it is open."""

    def __init__(self, root: Path, stream: str, disk: Disk) -> None:
        self.stream, self._disk = stream, disk
        self._folder = _made(root / stream / OPEN, disk)
        self._sealed = _made(root / stream / SEALED, disk)
        self.path, self._fd = self._create()
        self.synced = 0

    def _create(self) -> tuple[Path, int]:
        """A new locked file. A recovery may lock it first and sweep it away; then take another."""
        while True:
            path = self._folder / f"{uuid7()}{SUFFIX[OPEN]}"
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)
            if self._disk.lock(fd) and _is_at(fd, path):
                self._disk.sync_folder(self._folder)
                return path, fd
            os.close(fd)

    def append(self, data: bytes) -> None:
        """Write and sync. After an OSError only `seal` may be called: a failed sync must not be repeated, because
        the kernel may have dropped the pages and would report success."""
        self._disk.write(self._fd, data)
        reached("landing.written")
        self._disk.sync(self._fd)
        self.synced += len(data)
        reached("landing.synced")

    def seal(self) -> None:
        """Close the file under its sealed name, cut to what was synced; an empty one is removed."""
        try:
            if os.fstat(self._fd).st_size != self.synced:
                os.ftruncate(self._fd, self.synced)
            _move_to_sealed(self.path, self._sealed, self.synced, self._disk)
        finally:
            os.close(self._fd)


def recover(root: Path, disk: Disk | None = None) -> list[Segment]:
    """Seal what dead writers left open, cut behind the last newline. Live writers are not disturbed.

    The lock is taken before anything else is looked at: a file whose lock can't be had is somebody's live segment.
    """
    disk = disk or Disk()
    found = [
        _recover_one(path, disk) for path in sorted(root.glob(f"*/{OPEN}/*.ndjson"))
    ]
    return sorted(segment for segment in found if segment)


def _recover_one(path: Path, disk: Disk) -> Segment | None:
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if not disk.lock(fd) or not _is_at(fd, path):
            return None
        length = _complete_length(fd)
        if os.fstat(fd).st_size != length:
            os.ftruncate(fd, length)
        disk.sync(fd)
        sealed = _made(path.parent.parent / SEALED, disk)
        return _move_to_sealed(path, sealed, length, disk)
    finally:
        os.close(fd)


def _move_to_sealed(
    path: Path, sealed: Path, length: int, disk: Disk
) -> Segment | None:
    """Rename a complete segment; the caller holds its lock."""
    reached("landing.before_seal")
    target = sealed / path.name
    if length:
        os.rename(path, target)
        reached("landing.sealed")
        disk.sync_folder(sealed)
    else:
        path.unlink()
    disk.sync_folder(path.parent)
    if not length:
        return None
    return Segment(target.stem, sealed.parent.name, target, length)


def sealed_segments(root: Path, stream: str | None = None) -> list[Segment]:
    """Complete segments that the loader has not archived, oldest first."""
    return _segments(root, stream, SEALED)


def archived_segments(root: Path, stream: str | None = None) -> list[Segment]:
    """Compressed segments that were loaded, oldest first."""
    return _segments(root, stream, ARCHIVE)


def archived_segment(root: Path, stream: str, name: str) -> Segment:
    """One archived segment, by its name. Raises FileNotFoundError."""
    path = root / stream / ARCHIVE / f"{name}{SUFFIX[ARCHIVE]}"
    return Segment(name, stream, path, path.stat().st_size)


def _segments(root: Path, stream: str | None, state: str) -> list[Segment]:
    found = []
    for path in root.glob(f"{stream or '*'}/{state}/*{SUFFIX[state]}"):
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # moved on since it was listed
            continue
        name = path.name.removesuffix(SUFFIX[state])
        found.append(Segment(name, path.parent.parent.name, path, size))
    return sorted(found)


def read_tail(
    root: Path, stream: str, exclude: set[str], containing: bytes = b""
) -> Iterator[dict[str, Any]]:
    """The records of every segment of `stream` not named in `exclude`, oldest segment first.

    Lines without the bytes `containing` are skipped unread, which finds few among many at the speed of the disk.

    Open segments are read up to their last newline. A segment only ever moves from open to sealed to archive and is
    looked for in that order, so one that moves meanwhile is neither missed nor read twice.
    """
    folder = root / stream
    names = {
        path.name.removesuffix(SUFFIX[state])
        for state in (OPEN, SEALED, ARCHIVE)
        for path in folder.glob(f"{state}/*{SUFFIX[state]}")
    }
    for name in sorted(names - exclude):
        data = _read(folder, name)
        for line in data.splitlines() if containing in data else ():
            if containing not in line:
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # torn by a power cut, so never acknowledged; the loader reports it


def _read(folder: Path, name: str) -> bytes:
    for state in (OPEN, SEALED, ARCHIVE):
        try:
            data = (folder / state / f"{name}{SUFFIX[state]}").read_bytes()
        except FileNotFoundError:
            continue
        if state == ARCHIVE:
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as file:
                data = file.read()
        return data[: data.rfind(b"\n") + 1]
    return b""  # an empty segment, swept away since it was listed


def _made(folder: Path, disk: Disk) -> Path:
    """The folder, created if need be, its name as durable as the files that will be in it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        disk.sync_folder(each.parent)
    return folder


def _is_at(fd: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`: somebody may have moved it before we had the lock."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _complete_length(fd: int) -> int:
    """Length up to and including the last newline."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - 65536)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
