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

SAMPLED = ("facts.landed", "delivery.sent")
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


@pytest.mark.parametrize("point", SAMPLED)
def test_a_sampled_crash_leaves_no_trace_after_one_clean_run(
    point, landed, undisturbed, shop, tmp_path
):
    crash_and_recover(point, landed, undisturbed, shop, tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("point", [p for p in CRASH_POINTS if p not in SAMPLED])
def test_a_crash_at_any_write_boundary_leaves_no_trace_after_one_clean_run(
    point, landed, undisturbed, shop, tmp_path
):
    crash_and_recover(point, landed, undisturbed, shop, tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(10))
def test_a_kill_at_a_random_moment_leaves_no_trace_after_one_clean_run(
    seed, landed, undisturbed, shop, tmp_path
):
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path / "twin", receiver)
        moment = random.Random(seed).uniform(1, 40)
        kill_after(moment, twin, shop.summary["as_of"])
        twin.refreshed(shop.summary["as_of"])
        assert result_of(twin, receiver) == undisturbed


def crash_and_recover(point, landed, undisturbed, shop, tmp_path: Path) -> None:
    with Receiver() as receiver:
        twin = twin_of(landed, tmp_path / "twin", receiver)
        if point.startswith("connector."):
            touch_an_extract(twin)
        crashed = twin.run(shop.summary["as_of"], crash_at=point)
        assert crashed.returncode == -signal.SIGKILL, f"{point} was never reached"
        twin.refreshed(shop.summary["as_of"])
        assert result_of(twin, receiver) == undisturbed


def twin_of(landed: Platform, folder: Path, receiver: Receiver) -> Platform:
    twin = landed.copy(folder)
    twin.environment = {
        "MILLRACE_WEBHOOK_URL": receiver.url,
        "MILLRACE_WEBHOOK_SECRET": receiver.secret,
    }
    return twin


def touch_an_extract(twin: Platform) -> None:
    """One changed row in a source that no compared table depends on, so that the connector has something to land."""
    spend = next((twin.extracts / "marketing").glob("*.csv"))
    lines = spend.read_text().splitlines(keepends=True)
    spend.write_text("".join([*lines, lines[-1].replace(lines[-1][:4], "2019", 1)]))


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
