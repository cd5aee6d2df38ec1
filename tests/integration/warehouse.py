"""A warehouse without a front door: raw tables filled by hand, dbt run over them as a person would run it."""

import csv
import json
import shutil
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from orchestration.warehouse.schema import create_raw, raw_tables
from tests.conftest import ROOT
from tests.dbt import dbt, target

AS_OF = "2026-01-31T00:00:00"


class Warehouse:
    """One DuckDB file and one dbt project whose seeds may be edited; models and macros are the project's own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "millrace.duckdb"
        self.folder = folder
        self.project = folder / "dbt_project"
        self.project.mkdir(parents=True)
        for name in ("models", "macros", "tests", "dbt_project.yml", "profiles.yml"):
            (self.project / name).symlink_to(ROOT / "dbt_project" / name)
        shutil.copytree(ROOT / "dbt_project/seeds", self.project / "seeds")
        with duckdb.connect(self.file) as connection:
            create_raw(connection)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Rows as landed; columns that are not given are NULL."""
        path = self.folder / "rows.ndjson"
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
        columns = ", ".join(
            f"{name}: '{kind}'" for name, kind in raw_tables()[table].items()
        )
        with duckdb.connect(self.file) as connection:
            connection.execute(
                f"insert into raw.{table} by name select * from read_json('{path}', "
                f"format = 'newline_delimited', columns = {{{columns}}})"
            )

    def add_to_seed(self, name: str, *rows: list[Any]) -> None:
        with (self.project / f"seeds/{name}.csv").open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def set_seed(self, name: str, *rows: list[Any]) -> None:
        """The project's own seed and these rows, whatever was added before."""
        shutil.copy(ROOT / f"dbt_project/seeds/{name}.csv", self.project / "seeds")
        self.add_to_seed(name, *rows)

    def build(self, *selection: str) -> None:
        """`dbt build` without tests; what it printed is the message of a failure."""
        dbt(
            self.file,
            *("build", "--quiet", "--exclude-resource-type", "test", "unit_test"),
            *("--select", *selection),
            as_of=AS_OF,
            project=self.project,
        )

    def order(self, folder: str) -> list[str]:
        """The models of a folder and all they need, in an order that dbt may take."""
        dbt(self.file, "parse", as_of=AS_OF, project=self.project, artifacts=True)
        manifest = json.loads((target() / "manifest.json").read_text())
        needs = {
            name: node["depends_on"].get("nodes", [])
            for name, node in manifest["nodes"].items()
            if node["resource_type"] in ("model", "seed")
        }
        order = list(TopologicalSorter(needs).static_order())
        wanted = {n for n in needs if manifest["nodes"][n]["path"].startswith(folder)}
        for name in reversed(order):
            wanted.update(needs.get(name, ()) if name in wanted else ())
        return [name.split(".")[2] for name in order if name in wanted & set(needs)]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as connection:
            return connection.execute(sql).fetchall()
