"""A pull that dies between landing and remembering: the next one lands nothing twice."""

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


def pulled(home: Path, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingestion.connectors", "crm_customers"],
        cwd=ROOT,
        env={**os.environ, "MILLRACE_HOME": str(home), "MILLRACE_CRASH_AT": crash_at},
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
