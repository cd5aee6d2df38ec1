"""Group commit beside a sync for each, on a disk whose sync takes two milliseconds: the time until all are safe.

The disk is simulated, so that the figure says something on a machine with any disk. Many callers wait at once, as they
do in the collector; in the limit each of them writes and syncs by itself, one after the other.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from benchmarks.harness import Figure, Usage, compare, measure, module
from ingestion.contracts import Reject
from ingestion.landing import Disk, LandingWriter, new_record_id
from ingestion.segments import OpenSegment

SYNC_SECONDS = 0.002
CALLERS = 32
TARGET = 0.2
"""A fifth of the time: five times as many."""


class SlowDisk(Disk):
    def sync(self, fd: int) -> None:
        super().sync(fd)
        time.sleep(SYNC_SECONDS)


def figure(folder: Path, events: int, runs: int) -> Figure:
    records = min(events, 3_000)

    def run(how: str) -> Usage:
        log = folder / f"{how}.log"
        return measure(module(__name__, how, str(records), str(folder / how)), log)

    subject, limit, _ = compare(lambda: run("group"), lambda: run("each"), runs)
    ratio = _seconds(folder, "group") / _seconds(folder, "each")
    return Figure(
        name=f"group commit : sync each, time, {SYNC_SECONDS * 1000:g} ms disk, {CALLERS} callers",
        unit=f"{1 / ratio:.0f} times as many records a second",
        subject=subject,
        limit=limit,
        ratio=ratio,
        spread=(ratio, ratio),
        target=TARGET,
    )


def _seconds(folder: Path, how: str) -> float:
    """The fastest of the runs; a neighbour on the machine can only make them slower."""
    return min(map(float, (folder / f"{how}.log").read_text().split()))


def _row(n: int) -> Reject:
    return Reject(source_id="bench", code="bench", detail="", raw=str(n))


def _group(root: Path, records: int) -> None:
    with (
        LandingWriter(root, disk=SlowDisk()) as writer,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        list(callers.map(lambda n: writer.land([_row(n)]), range(records)))


def _each(root: Path, records: int) -> None:
    segment, turn = OpenSegment(root, "rejects", SlowDisk()), threading.Lock()

    def land(n: int) -> None:
        line = _row(n).to_line(new_record_id())
        with turn:
            segment.append(line)

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(land, range(records)))
    segment.seal()


if __name__ == "__main__":
    how, count, root = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    began = time.monotonic()
    (_group if how == "group" else _each)(root / str(uuid4()), count)
    print(time.monotonic() - began)
