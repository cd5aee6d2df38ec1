"""The only write path into the landing zone: group-committed appends that return when they are safe.

Belongs here: queueing, committing, sealing in time, back-pressure. The files themselves (names, locks, recovery,
listing) are `ingestion.segments`; its readers are offered here too, so that one import serves.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from ingestion.logs import about
from ingestion.segments import (
    Disk,
    OpenSegment,
    Segment,
    archived_segments,
    read_tail,
    recover,
    sealed_segments,
)

__all__ = [
    "Disk",
    "Landable",
    "LandingFull",
    "LandingUnavailable",
    "LandingWriter",
    "Segment",
    "archived_segments",
    "new_record_id",
    "new_record_ids",
    "read_tail",
    "recover",
    "sealed_segments",
]

log = logging.getLogger(__name__)

MIB = 1024 * 1024

ERROR_SECONDS = 10.0
"""For so long a failed commit counts against readiness; then the next caller finds out whether the disk is well."""


class LandingFull(Exception):  # noqa: N818 - says what happened
    """More is waiting to be written than the writer may hold; try again in a moment. Nothing was landed."""


class LandingUnavailable(Exception):  # noqa: N818 - says what happened
    """The disk refused (full, or broken), or the writer is closed. The records may or may not be there."""


class Landable(Protocol):
    """A record that can write itself as a line: a validated contract, or one that was prepared earlier."""

    @property
    def stream(self) -> str: ...

    @property
    def record_id(self) -> UUID | None: ...

    def to_line(self, record_id: UUID) -> bytes: ...


def new_record_id() -> UUID:
    """A UUIDv7 greater than every one this process made before."""
    return uuid7()


def new_record_ids(count: int) -> list[str]:
    """So many UUIDv7 in ascending order, as they stand in lines, at a fraction of the cost.

    The generator counts above the last 32 bits, so these are free to number one block; ids made later, by whatever
    thread, are greater.
    """
    block = str(new_record_id())[:-8]
    return [block + place for place in _places(count)]


@lru_cache(maxsize=8)
def _places(count: int) -> tuple[str, ...]:
    return tuple(f"{place:08x}" for place in range(count))


Done = Future[list[UUID]] | asyncio.Future[list[UUID]]


@dataclass
class _Submission:
    """Lines that are acknowledged together, to a thread or in an event loop."""

    ids: list[UUID]
    lines: dict[str, list[bytes]]
    size: int
    done: Done
    loop: asyncio.AbstractEventLoop | None = None

    def settle(self, error: Exception | None) -> None:
        if self.done.cancelled():  # a task that was given up while it waited
            return
        if error is None:
            self.done.set_result(self.ids)
        else:
            self.done.set_exception(error)


@dataclass
class _Seal:
    """A request to seal everything that is open."""

    done: Future[None] = field(default_factory=Future)
    last: bool = False


class LandingWriter:
    """Lands records from any number of threads. Make one per process; close it, or use `with`, to seal.

    One thread commits: it takes whatever is queued, writes and syncs once per stream, then acknowledges. So a slow
    disk makes groups larger instead of callers slower one by one; waiting for more to arrive would gain nothing.
    """

    def __init__(
        self,
        root: Path,
        *,
        seal_bytes: int = 64 * MIB,
        seal_seconds: float = 5.0,
        queue_limit: int = 64 * MIB,
        disk: Disk | None = None,
    ) -> None:
        """`queue_limit` is in bytes waiting to be synced; a segment is sealed at `seal_bytes` or `seal_seconds` after
        its first record, whichever comes first."""
        self._root, self._disk = root, disk or Disk()
        self._seal_bytes, self._seal_seconds = seal_bytes, seal_seconds
        self._queue_limit, self._waiting = queue_limit, 0
        self._closed, self._lock = False, threading.Lock()
        self._queue: queue.SimpleQueue[_Submission | _Seal] = queue.SimpleQueue()
        self._open: dict[str, tuple[OpenSegment, float]] = {}
        self._error: Exception | None = None
        self._failed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)
        self._thread.start()

    def land(self, records: Sequence[Landable]) -> list[UUID]:
        """Land all of `records`; returns their ids when they are synced.

        Raises LandingFull (nothing was written), LandingUnavailable, or ValueError for what JSON can't hold.
        """
        return self.submit(records).result()

    def submit_lines(self, stream: str, lines: Sequence[bytes]) -> Future[list[UUID]]:
        """Land lines that are complete already, with ids of `new_record_ids`; like `submit` otherwise."""
        done: Future[list[UUID]] = Future()
        done.set_running_or_notify_cancel()
        self._submit(_Submission([], {stream: [*lines]}, sum(map(len, lines)), done))
        return done

    def submit(self, records: Sequence[Landable]) -> Future[list[UUID]]:
        """Like `land`, without waiting: the future resolves when the records are synced."""
        done: Future[list[UUID]] = Future()
        # A caller who stops waiting must not cancel what the committing thread will resolve.
        done.set_running_or_notify_cancel()
        self._submit(_submission(records, done))
        return done

    def landing(self, records: Sequence[Landable]) -> asyncio.Future[list[UUID]]:
        """Like `submit`, to be awaited in the running event loop, which is woken once per commit and not per caller."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._submit(_submission(records, done, loop))
        return done

    def _submit(self, submission: _Submission) -> None:
        with self._lock:
            if self._closed:
                raise LandingUnavailable("the landing writer is closed")
            if self._waiting and self._waiting + submission.size > self._queue_limit:
                raise LandingFull(f"{self._waiting} bytes wait to be written")
            self._waiting += submission.size
            self._queue.put(submission)

    def seal(self) -> None:
        """Seal every open segment that has records, so that the loader can take them."""
        self._ask(_Seal())

    def close(self) -> None:
        """Write what is queued, seal, stop. Closing twice is harmless."""
        self._ask(_Seal(last=True))
        self._thread.join()

    def _ask(self, seal: _Seal) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = seal.last
            self._queue.put(seal)
        seal.done.result()

    @property
    def error(self) -> Exception | None:
        """Why the last commit failed, if it did a moment ago."""
        is_recent = time.monotonic() - self._failed_at < ERROR_SECONDS
        return self._error if is_recent else None

    def __enter__(self) -> "LandingWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # From here on: the committing thread.

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group = self._drain()
            submissions = [each for each in group if isinstance(each, _Submission)]
            seals = [each for each in group if isinstance(each, _Seal)]
            if submissions:
                self._commit(submissions)
            self._seal_due(everything=bool(seals))
            for seal in seals:
                seal.done.set_result(None)
            stopping = any(seal.last for seal in seals)

    def _drain(self) -> list[_Submission | _Seal]:
        """Everything queued; waits for the first, or until a segment is due for sealing."""
        group: list[_Submission | _Seal] = []
        try:
            group.append(self._queue.get(timeout=self._until_due()))
            while True:
                group.append(self._queue.get_nowait())
        except queue.Empty:
            return group

    def _commit(self, group: list[_Submission]) -> None:
        lines: dict[str, list[bytes]] = {}
        for submission in group:
            for stream, more in submission.lines.items():
                lines.setdefault(stream, []).extend(more)
        self._error = None
        try:
            for stream, data in lines.items():
                self._append(stream, b"".join(data))
        except Exception as error:  # whatever it is, the callers are waiting
            self._error, self._failed_at = error, time.monotonic()
        with self._lock:
            self._waiting -= sum(submission.size for submission in group)
        _settle(group, self._error)

    def _append(self, stream: str, data: bytes) -> None:
        if stream not in self._open:
            segment = OpenSegment(self._root, stream, self._disk)
            self._open[stream] = segment, time.monotonic() + self._seal_seconds
        try:
            self._open[stream][0].append(data)
        except Exception:
            self._seal(stream)
            raise

    def _until_due(self) -> float | None:
        if not self._open:
            return None
        due = min(due for _, due in self._open.values())
        return max(0.0, due - time.monotonic())

    def _seal_due(self, everything: bool) -> None:
        now = time.monotonic()
        for stream, (segment, due) in list(self._open.items()):
            if everything or due <= now or segment.synced >= self._seal_bytes:
                self._seal(stream)

    def _seal(self, stream: str) -> None:
        """Seal, or leave the file for `recover`: either way what was acknowledged is on the disk."""
        segment, _ = self._open.pop(stream)
        try:
            segment.seal()
        except OSError as error:
            self._error, self._failed_at = error, time.monotonic()
        else:
            log.info("sealed", extra=about(stream=stream, segment=segment.path.stem))


def _settle(group: Sequence[_Submission], error: Exception | None) -> None:
    """Tell every caller, those of one event loop together."""
    refusal = LandingUnavailable(f"the disk refused: {error}") if error else None
    loops: dict[asyncio.AbstractEventLoop, list[_Submission]] = {}
    for submission in group:
        if submission.loop is None:
            submission.settle(refusal)
        else:
            loops.setdefault(submission.loop, []).append(submission)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # a loop that was closed has nobody waiting
            loop.call_soon_threadsafe(_settle_here, waiting, refusal)


def _settle_here(waiting: Sequence[_Submission], refusal: Exception | None) -> None:
    for submission in waiting:
        submission.settle(refusal)


def _submission(
    records: Sequence[Landable],
    done: Done,
    loop: asyncio.AbstractEventLoop | None = None,
) -> _Submission:
    ids, lines, size = [], dict[str, list[bytes]](), 0
    for record in records:
        record_id = record.record_id or new_record_id()
        line = record.to_line(record_id)
        ids.append(record_id)
        lines.setdefault(record.stream, []).append(line)
        size += len(line)
    return _Submission(ids, lines, size, done, loop)
