"""Nothing acknowledged is lost: not by kill -9, not by a power cut, not by a recovery beside a live writer.

kill -9 alone can't tell a synced file from an unsynced one, so the power cut is simulated from a journal of what was
synced. Each proof has a control: the same test must catch a writer, or a recovery, that is careless.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingestion.contracts import Reject
from ingestion.landing import (
    Disk,
    LandingUnavailable,
    LandingWriter,
    read_tail,
    recover,
    sealed_segments,
)
from ingestion.settings import PROJECT_ROOT

LANDING_CRASH_POINTS = (
    "landing.written",
    "landing.synced",
    "landing.before_seal",
    "landing.sealed",
)


def run_until_killed(
    root: Path, disk: str, *, after: float | None = None, crash_at: str = ""
) -> list[str]:
    """Land in a child until it is killed; returns what it was told is safe."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.landing_child", str(root), disk],
        cwd=PROJECT_ROOT,
        env={**os.environ, "MILLRACE_CRASH_AT": crash_at},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    acknowledged = child.stdout.readline()
    if after is not None:
        time.sleep(after)
        child.kill()
    acknowledged += child.stdout.read()
    assert child.wait(60) == -signal.SIGKILL
    child.stdout.close()
    return acknowledged.decode().splitlines()


def cut_the_power(root: Path, chance: random.Random) -> None:
    """Leave on the disk what was synced, plus whatever else happened to be written out.

    A file is cut to its last synced length and a random part of the rest. A name that its folder was not synced with
    goes back to where it was synced last, or is gone.
    """
    lengths, places = _read_journal(root.with_suffix(".journal"))
    for path in root.glob("*/*/*.ndjson"):
        known = [folder for folder, names in places.items() if path.name in names]
        if not known:
            path.unlink()
            continue
        safe = lengths.get(path.name, 0)
        os.truncate(path, safe + chance.randint(0, path.stat().st_size - safe))
        if str(path.parent) not in known:
            path.rename(Path(known[0]) / path.name)


def _read_journal(journal: Path) -> tuple[dict[str, int], dict[str, set[str]]]:
    lengths: dict[str, int] = {}
    places: dict[str, set[str]] = {}
    for line in journal.read_text().splitlines():
        kind, what, *rest = line.split(" ")
        if kind == "length":
            lengths[what] = int(rest[0])
        else:
            places[what] = set(rest)
    return lengths, places


def survivors(root: Path) -> list[str]:
    """What is there after the next start."""
    recover(root)
    assert list(root.glob("*/open/*")) == []
    return [each["raw"] for each in read_tail(root, "rejects", set())]


@pytest.mark.parametrize("point", LANDING_CRASH_POINTS)
@pytest.mark.parametrize("nth", [1, 4])
def test_a_kill_at_a_write_boundary_loses_nothing_acknowledged(
    tmp_path: Path, point: str, nth: int
) -> None:
    root = tmp_path / "landing"
    acknowledged = run_until_killed(root, "honest", crash_at=f"{point}#{nth}")
    found = survivors(root)
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))


def power_cut(tmp_path: Path, disk: str, seed: int) -> tuple[set[str], set[str]]:
    """What was acknowledged and what is there after a kill at a random moment and a power cut."""
    chance, root = random.Random(seed), tmp_path / "landing"
    acknowledged = run_until_killed(root, disk, after=chance.uniform(0, 0.3))
    cut_the_power(root, chance)
    return set(acknowledged), set(survivors(root))


@pytest.mark.parametrize("seed", range(5))
def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    acknowledged, found = power_cut(tmp_path, "honest", seed)
    assert acknowledged
    assert acknowledged <= found


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 130))
def test_thirty_power_cuts_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    acknowledged, found = power_cut(tmp_path, "honest", seed)
    assert acknowledged <= found


@pytest.mark.parametrize("disk", ["careless", "nameless"])
def test_the_power_cut_would_catch_a_writer_that_does_not_sync(
    tmp_path: Path, disk: str
) -> None:
    acknowledged, found = power_cut(tmp_path, disk, seed=1)
    assert acknowledged - found


class DawdlingDisk(Disk):
    """Waits around every lock and name change, so that whatever can happen in between does."""

    def lock(self, fd: int) -> bool:
        time.sleep(random.uniform(0, 0.004))
        taken = super().lock(fd)
        time.sleep(random.uniform(0, 0.004))
        return taken

    def sync_folder(self, folder: Path) -> None:
        time.sleep(random.uniform(0, 0.004))


class LocklessDisk(DawdlingDisk):
    """The mistake the race must catch: a recovery that takes every open file for an orphan."""

    def lock(self, fd: int) -> bool:
        time.sleep(random.uniform(0, 0.004))
        return True


@dataclass
class Race:
    """What two writers were told is safe, what is there, and what the recoveries beside them ran into."""

    acknowledged: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


def race(root: Path, recovering: Disk) -> Race:
    """Two writers that seal all the time beside two recoveries that never rest."""
    seen, stop = Race(), threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            try:
                recover(root, recovering)
            except OSError as error:
                seen.errors.append(error)

    def land(writer: LandingWriter, name: str) -> None:
        for n in range(100):
            text = f"{name}-{n}"
            try:
                writer.land([Reject(source_id="t", code="t", detail="", raw=text)])
            except LandingUnavailable as error:
                seen.errors.append(error)
            else:
                seen.acknowledged.append(text)

    sweeps = [threading.Thread(target=sweep) for _ in range(2)]
    dawdling = DawdlingDisk()
    with (
        LandingWriter(root, seal_bytes=600, disk=dawdling) as one,
        LandingWriter(root, seal_bytes=600, disk=dawdling) as two,
    ):
        landing = [
            threading.Thread(target=land, args=(writer, f"{writer is one}-{lane}"))
            for writer in (one, two)
            for lane in range(2)
        ]
        for thread in (*sweeps, *landing):
            thread.start()
        for thread in landing:
            thread.join()
        stop.set()
        for thread in sweeps:
            thread.join()
    recover(root)
    seen.found = [each["raw"] for each in read_tail(root, "rejects", set())]
    return seen


def test_a_recovery_beside_live_writers_touches_nothing_of_theirs(
    tmp_path: Path,
) -> None:
    seen = race(tmp_path, DawdlingDisk())
    assert len(seen.acknowledged) == 400
    assert sorted(seen.found) == sorted(seen.acknowledged)
    assert seen.errors == []
    assert len(sealed_segments(tmp_path)) > 50


def test_the_race_would_catch_a_recovery_that_does_not_lock(tmp_path: Path) -> None:
    seen = race(tmp_path, LocklessDisk())
    assert set(seen.acknowledged) - set(seen.found)
