"""`python -m orchestration.run` and `orchestration.summary`: to the end, killed in the middle, and stopped by a mistake."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from ingestion.logs import log_file
from ingestion.settings import Settings
from orchestration.instance import dagster_home
from orchestration.progress import last_run
from orchestration.warehouse.loading import load
from orchestration.warehouse.schema import warehouse
from tests.conftest import ROOT
from tests.landed import event, land, platform, seal_text

AS_OF = "2026-01-31T00:00:00"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return platform(tmp_path_factory.mktemp("platform"))


def environment(home: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "MILLRACE_HOME": str(home.home),
        "MILLRACE_SOURCES_DIR": str(home.sources_dir),
    }


def command(home: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


def run(home: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(home, "orchestration.run", "--as-of", AS_OF, *arguments)


def children(pid: int) -> list[int]:
    """Process ids of the children of a process, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def test_a_run_killed_while_dbt_builds_takes_dbt_with_it_and_the_next_one_finishes(
    home: Settings,
) -> None:
    land(home, *(event(f"e{n}") for n in range(5)))
    first = subprocess.Popen(
        [sys.executable, "-m", "orchestration.run", "--as-of", AS_OF],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout
    while "load_landing" not in (line := first.stdout.readline()):
        assert line, "the run ended before it came to dbt"
    while not (dbt := children(first.pid)):
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    deadline = time.monotonic() + 10
    while any(map(is_alive, dbt)):
        assert time.monotonic() < deadline, "dbt builds on without its run"
        time.sleep(0.05)

    second = run(home)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Cleaned up after 1 run" in second.stdout
    for step in ("load_landing", "dbt_build", "land_facts", "published/warehouse"):
        assert step in second.stdout
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        statuses = sorted(record.status.value for record in instance.get_runs())
    assert statuses == ["FAILURE", "SUCCESS"]
    report = last_run(home)
    assert report
    assert report.changed
    assert report.new_events == 5


def test_what_is_received_again_changes_nothing_and_the_summary_says_so(
    home: Settings,
) -> None:
    land(home, *(event(f"e{n}") for n in range(5)))
    again = run(home)
    assert again.returncode == 0, again.stdout + again.stderr
    told = command(home, "orchestration.summary")
    assert told.returncode == 0, told.stderr
    assert "Nothing changed, nothing published" in told.stdout
    (row,) = [row for row in told.stdout.splitlines() if "web_shop" in row]
    assert row.split() == ["web_shop", "events", "10", "5", "5", "0"]
    said = [json.loads(line) for line in log_file(home.home).read_text().splitlines()]
    loaded = [line for line in said if line["message"] == "loaded"]
    assert {line["stream"] for line in loaded} >= {"events"}
    assert {line["job_name"] for line in loaded} == {"daily_refresh"}
    assert {line["step_key"] for line in loaded} == {"load_landing"}
    report = last_run(home)
    assert report
    assert report.run_id in {line["run_id"] for line in loaded if line["segment"]}


def test_a_contradiction_fails_the_run_with_a_sentence_and_loads_nothing(
    tmp_path: Path,
) -> None:
    home = platform(tmp_path)
    path = seal_text(home, b"")
    load(home)
    path.write_bytes(b"rubbish\n")
    done = run(home)
    assert done.returncode == 1
    assert "was loaded before with other bytes" in done.stderr
    assert "Traceback" not in done.stderr
    assert "FAILED" in done.stdout
    said = [json.loads(line) for line in log_file(home.home).read_text().splitlines()]
    assert any(
        each["level"] == "error" and each["step_key"] == "load_landing" for each in said
    )


@pytest.mark.prove
def test_an_identity_graph_out_of_bounds_stops_the_run_before_anything_is_published(
    tmp_path: Path,
) -> None:
    project = shutil.copytree(
        ROOT / "dbt_project",
        tmp_path / "dbt_project",
        ignore=shutil.ignore_patterns("target", "logs"),
    )
    settings = project / "dbt_project.yml"
    threshold = "identity_largest_profile: "
    text = settings.read_text()
    assert f"{threshold}1000" in text
    settings.write_text(text.replace(f"{threshold}1000", f"{threshold}0"))
    home = platform(tmp_path)
    land(home, event("e1"))
    env = {**environment(home), "MILLRACE_DBT_PROJECT_DIR": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.run", "--as-of", AS_OF],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the_identity_graph_is_within_its_bounds" in done.stderr
    assert not home.published.exists()
    assert not home.outbox.exists()
    with warehouse(home.warehouse) as connection:
        counted = connection.execute(
            "select count(*) from observability.obs_identity_health where is_breached"
        ).fetchall()
    assert counted == [(1,)]


def test_a_wrong_declaration_stops_the_run_before_any_work(tmp_path: Path) -> None:
    home = platform(tmp_path)
    (home.sources_dir / "web_shop.yml").write_text("kind: events\n")
    done = run(home)
    assert done.returncode == 1
    assert "Stopped before any work" in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.warehouse.exists()


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    done = command(platform(tmp_path), "orchestration.run", "--as-of", "yesterday")
    assert done.returncode == 2
    assert "which is no time" in done.stderr


def test_there_is_no_summary_before_the_first_run(tmp_path: Path) -> None:
    done = command(platform(tmp_path), "orchestration.summary")
    assert done.returncode == 1
    assert "run the job `refresh` first" in done.stderr
