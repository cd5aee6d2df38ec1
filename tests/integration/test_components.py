"""The materialisation `components`, in memory and by rounds of SQL, which are for graphs that no memory holds."""

import os
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.components import Edge, components_of
from tests.conftest import ROOT

MODEL = """
{{ config(materialized='components', schema='found') }}
select node_a, node_b from main.edges
"""


def graphs(seed: int) -> list[Edge]:
    """A few hundred small graphs, a long chain, a star and loops, in any order; repeats included."""
    dice = random.Random(seed)
    edges = [
        (graph * 100 + dice.randrange(size), graph * 100 + dice.randrange(size))
        for graph in range(300)
        for size in [dice.choice((2, 5, 20, 100))]
        for _ in range(dice.randrange(size + 1))
    ]
    edges += [(100_000 + place, 100_001 + place) for place in range(3_000)]
    edges += [(200_000, 200_000 - place) for place in range(1, 500)]
    dice.shuffle(edges)
    return [dice.choice(((a, b), (b, a))) for a, b in edges]


def dbt(folder: Path, *arguments: str) -> None:
    """In a process of its own: what tests share is one parse of the project, and this is another project."""
    where = ("--project-dir", "--profiles-dir", "--log-path")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "--no-write-json", *arguments),
            *(part for option in where for part in (option, str(folder))),
        ],
        env={**os.environ, "MILLRACE_WAREHOUSE": str(folder / "millrace.duckdb")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("in_memory", [0, 1_000_000])
def test_every_node_names_the_smallest_it_is_connected_with(
    in_memory: int, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/components.sql").write_text(MODEL)
    (tmp_path / "macros").symlink_to(ROOT / "dbt_project/macros")
    (tmp_path / "profiles.yml").symlink_to(ROOT / "dbt_project/profiles.yml")
    project = {
        "name": "millrace",
        "profile": "millrace",
        "vars": {"components_in_memory": in_memory},
    }
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(project))
    edges = graphs(seed=in_memory)
    with duckdb.connect(tmp_path / "millrace.duckdb") as connection:
        connection.execute(
            "create table edges as "
            "select unnest($1::bigint[]) as node_a, unnest($2::bigint[]) as node_b",
            [list(side) for side in zip(*edges, strict=True)],
        )
    dbt(tmp_path, "run")
    with duckdb.connect(tmp_path / "millrace.duckdb") as connection:
        found = connection.execute("from found.components").fetchall()
        scratch = connection.execute("from duckdb_tables() where temporary").fetchall()
    assert scratch == []
    assert len(found) == len(dict(found))
    assert dict(found) == components_of((a, b) for a, b in edges if a != b)
