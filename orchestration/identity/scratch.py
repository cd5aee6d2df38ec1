"""Warehouses of their own, built by the same dbt project beside the real one and thrown away: for previews, for as-of.

Made from the read copy, so the warehouse is neither opened nor waited for. What to compare is preview.py's and
as_of.py's business.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.resources import LEASHED
from orchestration.warehouse.schema import create_raw, raw_tables, read_copy


class BuildFailedError(RuntimeError):
    """dbt could not build the scratch warehouse. The message is what dbt said."""


@contextmanager
def scratch(settings: Settings) -> Iterator[Path]:
    """Where a scratch warehouse goes: beside the read copy, for it may be as large."""
    if settings.is_on_cluster and not settings.copy_events:
        raise BuildFailedError(
            "Previews and earlier graphs are built from landed records, which stay on the cluster. With "
            "MILLRACE_COPY_EVENTS=true a refresh brings them home, if they fit this machine."
        )
    if not settings.published.exists():
        with read_copy(settings.published):  # says what to do
            pass
    with TemporaryDirectory(prefix="scratch-", dir=settings.published.parent) as folder:
        # The name is the catalog's, which views and dbt's manifest hold.
        yield Path(folder) / settings.published.name


def copy_all(settings: Settings, file: Path) -> None:
    """Everything that the read copy holds."""
    shutil.copyfile(settings.published, file)


def copy_loads(settings: Settings, file: Path, loads: Sequence[int]) -> None:
    """The landed records of some loads, and nothing derived. Sources are as declared today."""
    with duckdb.connect(file) as connection:
        create_raw(connection)
        connection.execute(
            f"attach '{_quoted(settings.published)}' as whole (read_only)"
        )
        connection.execute(
            "create temp table chosen as select load_id, segment from whole.raw.loads"
            " where load_id in (select unnest(?::bigint[]))",
            [list(loads)],
        )
        for table in raw_tables():
            condition = "true"
            if table in STREAMS:
                condition = "_load_id in (select load_id from chosen)"
            elif table == "loads":
                condition = "load_id in (select load_id from chosen)"
            elif table == "load_rejects":
                condition = "segment in (select segment from chosen)"
            connection.execute(
                f"insert into raw.{table} by name select * from whole.raw.{table} where {condition}"
            )


def build(
    settings: Settings,
    file: Path,
    as_of: datetime,
    *selection: str,
    variables: str = "",
) -> None:
    """Seeds and the selected models by the dbt project as it is now, without its tests."""
    folder = settings.dbt_project_dir.resolve()
    target = file.parent / "target"
    target.mkdir(exist_ok=True)
    # What the last refresh parsed, so that dbt parses only what was edited since.
    with suppress(FileNotFoundError):
        shutil.copy(folder / "target/partial_parse.msgpack", target)
    command = [
        *(sys.executable, str(LEASHED)),
        *("--quiet", "--no-use-colors", "--no-write-json", "--log-level-file", "none"),
        *("build", "--project-dir", str(folder), "--profiles-dir", str(folder)),
        *("--target-path", str(target), "--log-path", str(target)),
        *("--exclude-resource-type", "test", "unit_test"),
        *(("--vars", variables) if variables else ()),
        *("--select", *selection),
    ]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        ),
        "MILLRACE_TARGET": "duckdb",
        "MILLRACE_WAREHOUSE": str(file),
        "MILLRACE_AS_OF": as_of.isoformat(),
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailedError(
            f"dbt could not build it with the project in {folder}:\n{done.stdout}{done.stderr}".rstrip()
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
