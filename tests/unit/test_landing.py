"""The landing zone's promises: safe before acknowledged, full or broken said so, nothing torn, nothing missed."""

import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
import zstandard

from ingestion.contracts import Reject
from ingestion.landing import (
    Disk,
    LandingFull,
    LandingUnavailable,
    LandingWriter,
    archived_segments,
    new_record_id,
    new_record_ids,
    read_tail,
    recover,
    sealed_segments,
)
from ingestion.segments import OpenSegment


def note(text: str) -> Reject:
    return Reject(source_id="test", code="test", detail="", raw=text)


def notes(root: Path, exclude: set[str] | None = None) -> list[str]:
    return [each["raw"] for each in read_tail(root, "rejects", exclude or set())]


def open_files(root: Path) -> list[Path]:
    return sorted(root.glob("*/open/*"))


class SlowDisk(Disk):
    """Syncs in five milliseconds, and counts."""

    syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        time.sleep(0.005)


class HeldDisk(Disk):
    """Does not finish a sync until it is released."""

    def __init__(self) -> None:
        self.syncing, self.released = threading.Event(), threading.Event()

    def sync(self, fd: int) -> None:
        self.syncing.set()
        assert self.released.wait(30)


class BrokenDisk(Disk):
    """Fails at the write or sync whose number is given, and remembers which files were synced."""

    def __init__(self, *, write: int = 0, sync: int = 0) -> None:
        self.failing_write, self.failing_sync = write, sync
        self.writes = self.syncs = 0
        self.synced: list[int] = []
        self.failed: int | None = None

    def write(self, fd: int, data: bytes) -> None:
        self.writes += 1
        if self.writes == self.failing_write:
            super().write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self.syncs += 1
        self.synced.append(os.fstat(fd).st_ino)
        if self.syncs == self.failing_sync:
            self.failed = os.fstat(fd).st_ino
            raise OSError(errno.EIO, "Input/output error")
        super().sync(fd)


def test_what_was_landed_is_read_back_under_the_ids_that_were_returned(
    tmp_path: Path,
) -> None:
    with LandingWriter(tmp_path) as writer:
        ids = writer.land([note("a"), note("b")])
    rows = list(read_tail(tmp_path, "rejects", set()))
    assert [row["record_id"] for row in rows] == [str(each) for each in ids]
    assert [row["raw"] for row in rows] == ["a", "b"]
    assert open_files(tmp_path) == []


def test_a_record_keeps_the_id_it_came_with(tmp_path: Path) -> None:
    own = new_record_id()
    with LandingWriter(tmp_path) as writer:
        assert writer.land([note("a").model_copy(update={"record_id": own})]) == [own]


def test_ids_rise_in_every_thread_and_never_repeat() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda _: [new_record_id() for _ in range(2000)], range(8))
        )
    assert all(ids == sorted(ids) for ids in made)
    assert len({each for ids in made for each in ids}) == 16_000


def test_a_block_of_ids_lies_between_the_ids_made_before_and_after() -> None:
    made: list[str] = []
    for count in (1, 3000, 0, 2):
        made.append(str(new_record_id()))
        made += new_record_ids(count)
    assert made == sorted(set(made))
    assert all(UUID(each).version == 7 for each in made)


def test_threads_share_a_sync_and_all_of_them_are_heard(tmp_path: Path) -> None:
    disk = SlowDisk()
    with LandingWriter(tmp_path, disk=disk) as writer, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: writer.land([note(str(n))]), range(320)))
    assert sorted(notes(tmp_path), key=int) == [str(n) for n in range(320)]
    assert disk.syncs < 320 / 4


def test_nothing_is_acknowledged_before_it_is_synced(tmp_path: Path) -> None:
    disk = HeldDisk()
    with LandingWriter(tmp_path, disk=disk) as writer:
        landing = writer.submit([note("a")])
        assert disk.syncing.wait(10)
        assert notes(tmp_path) == ["a"]
        assert not landing.done()
        disk.released.set()
        assert landing.result(10)


def test_a_full_queue_refuses_and_takes_again_when_it_has_emptied(
    tmp_path: Path,
) -> None:
    disk = HeldDisk()
    with LandingWriter(tmp_path, queue_limit=1000, disk=disk) as writer:
        waiting = [writer.submit([note(text * 200)]) for text in "ab"]
        with pytest.raises(LandingFull):
            writer.land([note("c" * 200)])
        disk.released.set()
        for each in waiting:
            each.result(10)
        writer.land([note("d" * 200)])
    assert [text[0] for text in notes(tmp_path)] == ["a", "b", "d"]


def test_more_than_the_queue_holds_is_taken_when_nothing_waits(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, queue_limit=10) as writer:
        writer.land([note("larger than ten bytes")])
    assert len(notes(tmp_path)) == 1


def test_a_caller_who_gives_up_does_not_stop_the_others(tmp_path: Path) -> None:
    disk = HeldDisk()
    with LandingWriter(tmp_path, disk=disk) as writer:
        abandoned = writer.submit([note("a")])
        assert not abandoned.cancel()
        disk.released.set()
        writer.land([note("b")])
    assert notes(tmp_path) == ["a", "b"]


def test_a_file_whose_sync_failed_is_never_synced_again(tmp_path: Path) -> None:
    disk = BrokenDisk(sync=2)
    with LandingWriter(tmp_path, disk=disk) as writer:
        writer.land([note("safe")])
        with pytest.raises(LandingUnavailable, match="Input/output"):
            writer.land([note("lost")])
        assert writer.error is not None
        writer.land([note("safe again")])
        assert writer.error is None
    assert disk.failed is not None
    assert disk.synced.count(disk.failed) == 2
    assert notes(tmp_path) == ["safe", "safe again"]
    assert len(sealed_segments(tmp_path)) == 2


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_refuses_and_leaves_no_torn_line(
    tmp_path: Path, failing: int
) -> None:
    disk = BrokenDisk(write=failing)
    with LandingWriter(tmp_path, disk=disk) as writer:
        for n in range(3):
            if n + 1 == failing:
                with pytest.raises(LandingUnavailable, match="No space"):
                    writer.land([note(str(n))])
            else:
                writer.land([note(str(n))])
    assert notes(tmp_path) == [str(n) for n in range(3) if n + 1 != failing]
    assert open_files(tmp_path) == []
    for segment in sealed_segments(tmp_path):
        assert segment.path.read_bytes().endswith(b"}\n")


def test_what_json_cannot_hold_is_refused_alone(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        bad = Reject.model_construct(**{**dict(note("a")), "raw": "\ud800"})
        with pytest.raises(ValueError, match="JSON"):
            writer.land([bad])
        writer.land([note("b")])
    assert notes(tmp_path) == ["b"]


def test_a_closed_writer_refuses_and_closing_again_is_harmless(tmp_path: Path) -> None:
    writer = LandingWriter(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(LandingUnavailable):
        writer.land([note("a")])


def test_a_segment_is_sealed_when_it_is_large_enough(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, seal_bytes=1000) as writer:
        for _ in range(4):
            writer.land([note("a" * 1000)])
        assert until(lambda: len(sealed_segments(tmp_path, "rejects")) == 4)


def test_a_segment_is_sealed_soon_after_its_first_record(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, seal_seconds=0.2) as writer:
        writer.land([note("a")])
        assert sealed_segments(tmp_path) == []
        assert until(lambda: len(sealed_segments(tmp_path)) == 1)


def test_sealing_on_demand_waits_until_the_loader_can_have_it(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        writer.seal()
        assert sealed_segments(tmp_path) == []
        writer.land([note("a")])
        writer.seal()
        assert len(sealed_segments(tmp_path)) == 1


def test_segments_sort_by_the_time_they_were_opened(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        for n in range(20):
            writer.land([note(str(n))])
            writer.seal()
    segments = sealed_segments(tmp_path)
    assert [b'"raw":"%d"' % n in s.path.read_bytes() for n, s in enumerate(segments)]
    assert notes(tmp_path) == [str(n) for n in range(20)]


def test_recovery_cuts_behind_the_last_newline_and_seals(tmp_path: Path) -> None:
    dead = abandoned(tmp_path, b'{"raw":"a"}\n{"raw":"b"}\n{"raw":"to')
    (segment,) = recover(tmp_path)
    assert segment.name == dead.stem
    assert segment.path.read_bytes() == b'{"raw":"a"}\n{"raw":"b"}\n'
    assert segment.bytes == 24
    assert recover(tmp_path) == []
    assert sealed_segments(tmp_path) == [segment]


@pytest.mark.parametrize("left", [b"", b"never finished", b"x" * 200_000])
def test_recovery_removes_what_holds_no_whole_line(tmp_path: Path, left: bytes) -> None:
    abandoned(tmp_path, left)
    assert recover(tmp_path) == []
    assert open_files(tmp_path) == []
    assert sealed_segments(tmp_path) == []


def test_recovery_finds_a_newline_far_from_the_end(tmp_path: Path) -> None:
    abandoned(tmp_path, b"{}\n" + b"x" * 200_000)
    (segment,) = recover(tmp_path)
    assert segment.bytes == 3


def test_recovery_leaves_a_live_segment_alone(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        writer.land([note("a")])
        assert recover(tmp_path) == []
        writer.land([note("b")])
    assert notes(tmp_path) == ["a", "b"]


def test_the_tail_is_what_was_not_excluded_wherever_it_is(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        for text in ("archived", "loaded", "sealed"):
            writer.land([note(text)])
            writer.seal()
        first, second, _ = sealed_segments(tmp_path)
        archive(first.path)
        writer.land([note("open")])
        (unfinished,) = open_files(tmp_path)
        with unfinished.open("ab") as file:
            file.write(b'{"raw": "torn')
        assert notes(tmp_path, {second.name}) == ["archived", "sealed", "open"]
        assert [each.name for each in archived_segments(tmp_path)] == [first.name]
    assert list(read_tail(tmp_path, "deliveries", set())) == []


def test_the_tail_misses_nothing_that_moves_while_it_is_read(tmp_path: Path) -> None:
    with LandingWriter(tmp_path) as writer:
        for n in range(30):
            writer.land([note(str(n))])
            writer.seal()
        writer.land([note("30")])
        tail = read_tail(tmp_path, "rejects", set())
        seen = [next(tail)["raw"]]
        for segment in sealed_segments(tmp_path):
            archive(segment.path)
        writer.seal()
        seen += [each["raw"] for each in tail]
    assert seen == [str(n) for n in range(31)]


def test_an_open_segment_is_locked_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    segment = OpenSegment(tmp_path, "rejects", Disk())
    fd = os.open(segment.path, os.O_RDWR)
    assert not Disk().lock(fd)
    segment.seal()
    assert Disk().lock(fd)
    os.close(fd)


def abandoned(root: Path, content: bytes) -> Path:
    """What a writer leaves that died."""
    folder = root / "rejects" / "open"
    folder.mkdir(parents=True)
    path = folder / f"{new_record_id()}.ndjson"
    path.write_bytes(content)
    return path


def archive(path: Path) -> None:
    """What the loader does to a segment."""
    folder = path.parents[1] / "archive"
    folder.mkdir(exist_ok=True)
    packed = zstandard.ZstdCompressor().compress(path.read_bytes())
    (folder / f"{path.name}.zst").write_bytes(packed)
    path.unlink()


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
