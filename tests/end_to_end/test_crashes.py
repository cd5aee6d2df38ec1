"""The whole run killed at every write boundary, and at random: after one clean run nothing shows it happened."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestion.crash_points import CRASH_POINTS
from simulator.receiver import Receiver
from simulator.sending import send
from simulator.world import simulate
from tests import acceptance_data
from tests.conftest import ROOT
from tests.end_to_end.platform import Platform

FILE_SYNC = "repeat_buyers_file"


@dataclass(frozen=True)
class Result:
    """What the world looks like after a run."""

    tables: dict[str, tuple[int, int]]
    told: dict[str, dict]
    filed: set[str]


@pytest.fixture(scope="module")
def shop():
    return simulate(people=60, days=20, seed=11)


@pytest.fixture(scope="module")
def landed(tmp_path_factory, shop) -> Platform:
    """Events and extracts in the landing zone; nothing loaded. Every twin starts from these same records."""
    made = Platform(
        tmp_path_factory.mktemp("crashes") / "landed",
        ROOT / "sources",
        ROOT / "destinations.yml",
    )
    shop.write(made.extracts)
    sources = sorted({call.source_id for call in shop.calls})
    for source in sources:
        made.add_key(source, f"key-of-{source}", "integration")
    with made.collector() as url:
        send(shop.calls, url, {source: f"key-of-{source}" for source in sources})
    pulled = made.python("-m", "ingestion.connectors")
    assert pulled.returncode == 0, pulled.stderr
    return made


@pytest.fixture(scope="module")
def undisturbed(landed, shop, tmp_path_factory) -> Result:
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path_factory.mktemp("control") / "twin", receiver)
        twin.refreshed(shop.summary["as_of"])
        result = result_of(twin, receiver)
    assert result.told["repeat_buyers_webhook"], "the control must publish somebody"
    assert result.filed, "the control must file somebody"
    return result


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_a_crash_between_sending_and_noting_it_leaves_no_trace(
    landed, undisturbed, shop, tmp_path
):
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path / "twin", receiver)
        crash(twin, "delivery.sent", shop)
        twin.refreshed(shop.summary["as_of"])
        assert result_of(twin, receiver) == undisturbed


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_a_crash_at_every_write_boundary_in_turn_leaves_no_trace(
    landed, undisturbed, shop, tmp_path
):
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path / "twin", receiver)
        of_the_job = [
            p for p in CRASH_POINTS if not p.startswith(("relay.", "privacy."))
        ]
        for year, point in enumerate(of_the_job, start=2000):
            if point.startswith(("landing.", "connector.", "loader.")):
                add_a_day_of_spend(twin, year)
            crash(twin, point, shop)
        twin.refreshed(shop.summary["as_of"])
        assert result_of(twin, receiver) == undisturbed


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_ten_kills_at_random_moments_leave_no_trace(
    landed, undisturbed, shop, tmp_path
):
    moments = random.Random(7)
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path / "twin", receiver)
        for _ in range(10):
            kill_after(moments.uniform(5, 70), twin, shop.summary["as_of"])
        twin.refreshed(shop.summary["as_of"])
        assert result_of(twin, receiver) == undisturbed


def crash(twin: Platform, point: str, shop) -> None:
    """Run the main job until it dies at `point`."""
    crashed = twin.run(shop.summary["as_of"], crash_at=point)
    assert crashed.returncode == -signal.SIGKILL, f"{point} was never reached"


def twin_of(landed: Platform, folder: Path, receiver: Receiver) -> Platform:
    twin = landed.copy(folder)
    twin.environment = {
        "MILLRACE_WEBHOOK_URL": receiver.url,
        "MILLRACE_WEBHOOK_SECRET": receiver.secret,
    }
    return twin


def add_a_day_of_spend(twin: Platform, year: int) -> None:
    """One row more in a source that no compared table depends on, so that there is something to land and load."""
    spend = min((twin.extracts / "marketing").glob("*.csv"))
    with spend.open("r+") as file:
        last = file.readlines()[-1]
        file.write(last.replace(last[:4], str(year), 1))


def kill_after(seconds: float, twin: Platform, as_of: str) -> None:
    """Kill the run and everything it started, as a power cut would."""
    run = subprocess.Popen(
        [sys.executable, "-m", "orchestration.run", "--as-of", as_of],
        cwd=ROOT,
        env=twin.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def result_of(twin: Platform, receiver: Receiver) -> Result:
    """Everything but the plan: a second run rightly plans less than a first."""
    tables = {
        name: fingerprint
        for name, fingerprint in twin.public_tables().items()
        if not name.startswith("activation.")
    }
    return Result(
        tables=tables,
        told=receiver.state.members,
        filed=acceptance_data.folded_files(twin.home, FILE_SYNC),
    )
