"""The Dagster instance of a home: where it lives, its settings, and cleaning up after a run that was killed.

What runs in it is definitions.py; its settings are dagster.yaml beside this file.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg

from ingestion.settings import Settings

TEMPLATE = Path(__file__).with_name("dagster.yaml")
POOL = "warehouse"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
BY_COMMAND = "millrace/started_by"


class RunUnderWayError(RuntimeError):
    """Another run command works on this home."""


def prepare_environment(settings: Settings) -> None:
    """Install dagster.yaml, with the home written in, and set what Dagster and dbt read from the environment."""
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    installed = home / "dagster.yaml"
    text = TEMPLATE.read_text("utf-8").replace(
        "HOME_OF_THE_INSTANCE", json.dumps(str(home), ensure_ascii=False)
    )
    if not installed.exists() or installed.read_text("utf-8") != text:
        draft = home / "dagster.yaml.draft"
        draft.write_text(text, "utf-8")
        draft.replace(installed)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["MILLRACE_WAREHOUSE"] = str(settings.warehouse)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")


def dagster_home(settings: Settings) -> Path:
    return settings.home.resolve() / "dagster"


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the lock of the run command. It goes with the process, however that ends."""
    folder = settings.home.resolve() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunUnderWayError(
                f"Another `python -m orchestration.run` is working on {settings.home}. Wait until it has ended."
            ) from error
        yield


def bury_if_alone(settings: Settings, instance: dg.DagsterInstance) -> None:
    """What the run command does at its start, for sensors and schedules: a killed command must not block the daemon."""
    with suppress(RunUnderWayError), alone(settings):
        bury_dead_runs(instance)


def bury_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark command-started runs that never ended as failed, and free their slots; how many.

    Call it while `alone`: then whoever started them is dead. Runs of the daemon are the daemon's to watch.
    """
    dead = instance.get_runs(
        dg.RunsFilter(statuses=UNFINISHED, tags={BY_COMMAND: "command"})
    )
    for run in dead:
        instance.report_run_failed(run, "Its process ended before it did.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(dead)
