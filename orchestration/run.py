"""`python -m orchestration.run`: one job, in this process, on the real instance, so that the UI shows it.

Says what it does while it does it, and exits with 0, or with 1 and a sentence.
"""

import argparse
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ingestion.connectors import SourceError, load_sources
from ingestion.settings import Settings, settings
from orchestration.cluster.session import ClusterMissing
from orchestration.destinations.register import DestinationsInvalid
from orchestration.destinations.syncs import SyncsInvalid
from orchestration.instance import (
    BY_COMMAND,
    RunUnderWayError,
    alone,
    bury_dead_runs,
    prepare_environment,
)
from orchestration.jobs import JOBS, refresh_config
from orchestration.journeys.declarations import JourneyError
from orchestration.logical_time import parse_as_of
from orchestration.progress import Progress, RunReport, terminal
from orchestration.warehouse.engines import distinct_events

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> int:
    arguments = _arguments()
    try:
        return run(settings(), arguments.job, arguments.as_of or _this_minute())
    except (
        RunUnderWayError,
        SourceError,
        JourneyError,
        SyncsInvalid,
        DestinationsInvalid,
        ClusterMissing,
    ) as error:
        print(f"Stopped before any work: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        print(
            "Interrupted. Nothing is half done; run it again to finish.",
            file=sys.stderr,
        )
        return 130


def run(configured: Settings, job_name: str, as_of: datetime) -> int:
    """Execute the job to its end; 0 when every step succeeded."""
    out = terminal()
    load_sources(
        configured.sources_dir
    )  # a mistake there is said before anything starts
    prepare_environment(configured)
    with alone(configured), dg.DagsterInstance.get() as instance:
        if buried := bury_dead_runs(instance):
            print(f"Cleaned up after {buried} run(s) that were killed.", file=out)
        print(f"{job_name} as of {as_of.isoformat()}", file=out, flush=True)
        job = _job(job_name)
        report = RunReport(str(uuid.uuid4()), job_name, as_of.isoformat(), time.time())
        progress = Progress(report, out, tables=_tables(job))
        instance.add_event_listener(report.run_id, progress.heard)
        before = distinct_events(configured)
        with _talk_kept(configured):
            result = job.execute_in_process(
                run_config={**QUIET, **_config(job_name, as_of)},
                instance=instance,
                run_id=report.run_id,
                tags={BY_COMMAND: "command"},
                raise_on_error=False,
            )
        report.finished_at, report.succeeded = time.time(), result.success
        report.new_events = distinct_events(configured) - before
        report.save(configured)
    seconds = report.finished_at - report.started_at
    if result.success:
        print(f"Done in {seconds:.0f} s.", file=out, flush=True)
        return 0
    print(f"The run failed after {seconds:.0f} s:", file=sys.stderr)
    for failure in progress.failures or ["see the run in the UI"]:
        print(f"- {failure}", file=sys.stderr)
    print(
        "Nothing is half done. Remove the cause and run it again. "
        f"What dbt said: {talk_file(configured)}. In the UI (make ui) the run is {report.run_id}.",
        file=sys.stderr,
    )
    return 1


@contextmanager
def _talk_kept(configured: Settings) -> Iterator[None]:
    """What dbt says line by line goes to a file; the terminal shows one line per step."""
    file = talk_file(configured)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as kept, redirect_stdout(kept):
        yield


def talk_file(configured: Settings) -> Path:
    return configured.home.resolve() / "logs" / "last_run.log"


def _job(name: str) -> dg.JobDefinition:
    from orchestration.definitions import batch  # reads the environment, so not before

    return batch().resolve_job_def(name)


def _tables(job: dg.JobDefinition) -> int:
    keys = job.asset_layer.executable_asset_keys
    nodes = (job.asset_layer.get(key) for key in keys)
    return sum("dbt" in node.kinds for node in nodes)


def _config(job_name: str, as_of: datetime) -> dict[str, object]:
    return {} if job_name == "publish" else refresh_config(as_of.isoformat())


def _this_minute() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0)


def _as_of(text: str) -> datetime:
    try:
        return parse_as_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.run",
        description="Run one job of the platform in this process.",
    )
    parser.add_argument("--job", choices=list(JOBS), default="daily_refresh")
    parser.add_argument(
        "--as-of",
        type=_as_of,
        help="logical time, UTC, such as 2026-01-31T00:00:00; left out: this minute",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
