"""`python -m orchestration.cluster.trial`: this home's landing zone once more on a real cluster of this machine, compared.

Builds a copy of the landing zone as of the last refresh with DuckDB, brings a cluster up (loopback.py), builds the same
there, takes it down, and holds each public table against the other, both ways and by type. Exits with 1 when one differs.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ingestion.settings import Settings, settings
from orchestration.cluster.loopback import SHORT_LIVED, environment_of, loopback
from orchestration.logical_time import last_as_of
from orchestration.resources import LEASHED, dbt_project
from orchestration.warehouse.engines import built, load
from orchestration.warehouse.schema import SESSION, read_copy

PUBLIC = "dim_|fct_|audience_|activation_changes|obs_"
CONTRACTED = re.compile("dim_|fct_|audience_|activation_changes")


def main() -> int:
    house = settings()
    with read_copy(house.published):  # says what to do when there is none
        as_of = last_as_of(house)
    os.environ |= {"MILLRACE_TARGET": "duckdb", "MILLRACE_COPY_EVENTS": "true"}
    os.environ.setdefault(*SHORT_LIVED)
    with TemporaryDirectory(prefix="trial-") as folder:
        here = _twin(house, Path(folder, "duckdb"))
        print(f"built on DuckDB in {build(here, as_of):.0f} s", flush=True)
        with loopback(Path(folder, "cluster")) as running:
            os.environ |= environment_of(running)
            there = _twin(house, Path(folder, "spark"))
            told = build(there, as_of)
            print(f"built on {running.remote} in {told:.0f} s", flush=True)
        found = list(differences(here.warehouse, there.warehouse))
    for sentence in found:
        print(sentence)
    print(
        "No public table differs."
        if not found
        else f"{len(found)} public tables differ."
    )
    return bool(found)


def _twin(house: Settings, home: Path) -> Settings:
    """A home with the same landing zone, for the engine that the environment names.

    The read copy would not do for comparing: what was delivered since the last refresh is landed, and not in it.
    """
    shutil.copytree(house.landing, home / "landing")
    return settings().model_copy(update={"home": home, "tenant": None})


def build(home: Settings, as_of: datetime) -> float:
    """Load, seeds, models and their data tests on the engine that the environment names; how long it took."""
    started = time.monotonic()
    print(f"loaded: {sum(load(home).rows.values())} rows", flush=True)
    print("building every model and data test …", flush=True)
    project = dbt_project(home)
    command = [
        *(sys.executable, str(LEASHED), "--quiet", "--log-level-file", "none"),
        *("build", "--exclude-resource-type", "unit_test"),
        *(
            "--project-dir",
            str(project.project_dir),
            "--profiles-dir",
            str(project.project_dir),
        ),
        *("--target-path", str(project.target_path)),
    ]
    environment = {**os.environ, "MILLRACE_AS_OF": as_of.isoformat()}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        raise SystemExit("dbt could not build it; what it said is above.")
    built(home, project.manifest_path)
    return time.monotonic() - started


def differences(one: Path, other: Path) -> Iterator[str]:
    """A sentence for each public table that is not the same in both files, without columns of the run itself.

    The first is DuckDB's own: its views name their catalog, so it must be called as ever.
    """
    with duckdb.connect() as connection:
        connection.execute(SESSION)
        for name, file in (("millrace", one), ("other", other)):
            quoted = str(file).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {name} (read_only)")
        for table in _tables(connection):
            left, right = (
                _columns(connection, "millrace", table),
                _columns(connection, "other", table),
            )
            # Only contracts declare types; without one, an id comes home as the text that it is there.
            if not CONTRACTED.match(table.partition(".")[2]):
                left, right = [(n, "") for n, _ in left], [(n, "") for n, _ in right]
            if left != right:
                yield f"{table}: columns {sorted(set(left) ^ set(right))}"
                continue
            names = ", ".join(
                f'"{name}"' if kind else f'"{name}"::varchar' for name, kind in left
            )
            ((less, more),) = connection.execute(
                f"""
                select
                    (select count(*) from (select {names} from millrace.{table} except all select {names} from other.{table})),
                    (select count(*) from (select {names} from other.{table} except all select {names} from millrace.{table}))
                """
            ).fetchall()
            if less or more:
                yield f"{table}: {less} rows only in the first, {more} only in the second"


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute(
        f"""
        select distinct table_schema || '.' || table_name from information_schema.tables
        where table_catalog in ('millrace', 'other') and regexp_matches(table_name, '^({PUBLIC})')
        order by 1
        """
    )
    return [name for (name,) in found.fetchall()]


def _columns(
    connection: duckdb.DuckDBPyConnection, catalog: str, table: str
) -> list[tuple[str, str]]:
    """Names and types; a leading underscore says that a column is about the run."""
    schema, _, name = table.partition(".")
    return connection.execute(
        """
        select column_name, data_type from information_schema.columns
        where table_catalog = ? and table_schema = ? and table_name = ? and not starts_with(column_name, '_')
        order by column_name
        """,
        [catalog, schema, name],
    ).fetchall()


if __name__ == "__main__":
    sys.exit(main())
