"""dbt as the tests run it: a process per call, forked from one that has imported dbt, and parsed once for all calls.

Starting dbt and parsing the project cost more than most tests ask of it. The fork starts from a process that has dbt
in memory; the parse is kept because every call names its warehouse by the same path, whatever folder that is.
"""

import os
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from ingestion.settings import Settings
from orchestration.leashed_dbt import hold_folder
from tests.conftest import ROOT

PROJECT = ROOT / "dbt_project"

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "dbt.cli.main",
        "dbt.adapters.duckdb",
        "orchestration.warehouse.components",
        "pyarrow",
        "scipy.sparse.csgraph",
        "tests.dbt",
        "tests.integration.killed",
        "tests.integration.erased",
    ]
)
_SHARED = TemporaryDirectory()


def dbt(
    warehouse: Path,
    *arguments: str,
    as_of: str,
    project: Path = PROJECT,
    artifacts: bool = False,
    cluster: Settings | None = None,
) -> str:
    """One dbt command against the DuckDB file `warehouse`; what it printed, which is the message when it fails.

    With `artifacts`, the manifest and its like are in `target()` afterwards. With `cluster`, its Spark instead of the
    file; a parse is good for one engine, so each has a folder.
    """
    process = started(
        warehouse,
        *arguments,
        as_of=as_of,
        project=project,
        artifacts=artifacts,
        cluster=cluster,
    )
    process.join()
    printed = Path(_SHARED.name, "output").read_text("utf-8")
    assert process.exitcode == 0, printed
    return printed


def started(
    warehouse: Path,
    *arguments: str,
    as_of: str,
    project: Path = PROJECT,
    artifacts: bool = False,
    cluster: Settings | None = None,
) -> BaseProcess:
    """The same command, which whoever asks for it may wait for or kill."""
    engine = cluster.target if cluster else "duckdb"
    environment = {**os.environ, "MILLRACE_TARGET": engine}
    if cluster:
        environment["MILLRACE_SPARK_REMOTE"] = cluster.spark_remote
        # Spark's client takes a forked process for its own doctests, and looks for a whole Spark then.
        environment.setdefault("SPARK_HOME", str(ROOT))
    output = Path(_SHARED.name, "output")
    command = [
        *([] if artifacts else ["--no-write-json"]),
        *("--log-level-file", "none"),
        *arguments,
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target-path", str(target(engine)), "--log-path", str(target(engine))),
    ]
    process = FORKS.Process(
        target=_run, args=(command, warehouse, as_of, output, environment)
    )
    process.start()
    return process


def target(engine: str = "duckdb") -> Path:
    """Where dbt leaves its artifacts: one folder for all calls of this process."""
    return Path(_SHARED.name, f"target_{engine}")


def _run(
    command: list[str], warehouse: Path, as_of: str, output: Path, env: dict[str, str]
) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(ROOT)
    os.environ.update(env)
    os.environ["MILLRACE_AS_OF"] = as_of
    os.environ["MILLRACE_WAREHOUSE"] = hold_folder(warehouse)
    from dbt.cli.main import dbtRunner

    done = dbtRunner().invoke(command)
    if done.exception:
        print(done.exception)
    sys.stdout.flush()
    sys.exit(0 if done.success else 1)
