"""A pull that dies between landing and remembering, or between two batches: the next one lands nothing twice. And what a
pull costs: memory in proportion to its longest row, not to the extract."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ingestion.landing import read_tail, recover
from simulator.world import simulate
from tests.conftest import ROOT


def pulled(
    home: Path, crash_at: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingestion.connectors", "crm_customers"],
        cwd=ROOT,
        env={
            **os.environ,
            "MILLRACE_HOME": str(home),
            "MILLRACE_CRASH_AT": crash_at,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("boundary", "recovered"),
    [
        ("landing.written", False),
        ("landing.synced", True),
        ("connector.landed", False),
        ("connector.landed", True),
        ("landing.before_seal", False),
    ],
)
def test_a_pull_killed_at_a_boundary_is_completed_by_the_next(
    tmp_path, boundary, recovered
):
    simulate(people=60, days=10, seed=5).write(tmp_path / "extracts")
    assert pulled(tmp_path, crash_at=boundary).returncode == -signal.SIGKILL
    if recovered:
        recover(tmp_path / "landing")
    assert pulled(tmp_path).returncode == 0
    third = pulled(tmp_path)
    assert " 0 new or changed" in third.stdout, third.stdout + third.stderr

    rows = Counter(
        row["row_key"] for row in read_tail(tmp_path / "landing", "profiles", set())
    )
    exported = (tmp_path / "extracts/crm/customers.csv").read_text().splitlines()[1:]
    rejects = list(read_tail(tmp_path / "landing", "rejects", set()))
    assert set(rows.values()) == {1}
    assert len(rows) + len(rejects) == len(exported)
    assert len(rejects) == 2


PEOPLE = """
source_id: crm_customers
kind: profiles
description: People.
owner: tests
extract: {files: people.csv, format: csv}
row_key: [id]
deletes: missing
identifiers: {crm_id: id}
"""


def declared(home: Path, rows: range, *, note: str = "") -> str:
    """A platform with one extract of its own; returns its folder of sources."""
    sources = home / "sources"
    for folder in (sources, home / "extracts"):
        folder.mkdir(exist_ok=True)
    (sources / "crm_customers.yml").write_text(PEOPLE)
    with (home / "extracts" / "people.csv").open("w") as file:
        file.write("id,note\n")
        file.writelines(f"{number},{note}{number}\n" for number in rows)
    return str(sources)


def ops(home: Path) -> Counter[tuple[str, str]]:
    return Counter(
        (row["row_key"], row["op"])
        for row in read_tail(home / "landing", "profiles", set())
    )


def test_a_pull_killed_between_batches_of_rows_or_deletions_is_completed_by_the_next(
    tmp_path,
):
    sources = declared(tmp_path, range(2500))
    killed = pulled(tmp_path, "landing.synced#2", MILLRACE_SOURCES_DIR=sources)
    assert killed.returncode == -signal.SIGKILL
    assert 0 < len(ops(tmp_path)) < 2500
    assert pulled(tmp_path, MILLRACE_SOURCES_DIR=sources).returncode == 0
    assert ops(tmp_path) == {(str(n), "upsert"): 1 for n in range(2500)}

    declared(tmp_path, range(1200, 2500))
    killed = pulled(tmp_path, "landing.synced#1", MILLRACE_SOURCES_DIR=sources)
    assert killed.returncode == -signal.SIGKILL
    second = pulled(tmp_path, MILLRACE_SOURCES_DIR=sources)
    assert " 200 deleted" in second.stdout, second.stdout + second.stderr
    deleted = [times for (_, op), times in ops(tmp_path).items() if op == "delete"]
    assert (len(deleted), set(deleted)) == (1200, {1})


def test_memory_does_not_grow_with_the_extract(tmp_path):
    """128 MB more of rows, all new and then none new, and the peak stays within a batch."""
    small, large = peaks(tmp_path / "small", 500), peaks(tmp_path / "large", 2500)
    for few, many in zip(small, large, strict=True):
        assert many - few < 32 * 1024, (small, large)


def peaks(folder: Path, rows: int) -> list[int]:
    """KiB at most in memory: a pull of rows of 64 kB each, and another that finds nothing new."""
    folder.mkdir()
    sources = declared(folder, range(rows), note="x" * 64_000)
    found = []
    for said in (f"{rows} new or changed", " 0 new or changed"):
        measured = subprocess.run(
            [sys.executable, "-c", MEASURED],
            cwd=ROOT,
            env={
                **os.environ,
                "MILLRACE_HOME": str(folder),
                "MILLRACE_SOURCES_DIR": sources,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert said in measured.stdout
        found.append(int(measured.stdout.split()[-1]))
    return found


MEASURED = """
from pathlib import Path
from ingestion.connectors.__main__ import main
assert main(["crm_customers"]) == 0
# Not ru_maxrss: a process inherits that of the one that started it.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
