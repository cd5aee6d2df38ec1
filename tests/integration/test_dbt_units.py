"""Every dbt unit test of the project, run the way a person would: build the tables empty, then test."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.integration.warehouse import AS_OF, Warehouse


def test_every_dbt_unit_test_holds(tmp_path):
    warehouse = Warehouse(tmp_path)
    dbt(warehouse, "run", "--empty")
    report = dbt(warehouse, "test", "--select", "test_type:unit")
    declared = sum(
        path.read_text().count("\nunit_tests:") > 0
        for path in (ROOT / "dbt_project/models").rglob("*.yml")
    )
    passed = int(report.rpartition("PASS=")[2].split()[0])
    assert passed >= declared > 0, report


def dbt(warehouse: Warehouse, verb: str, *arguments: str) -> str:
    """Run dbt, seeds first; its output. Fails with that output when dbt does."""
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()"]
    project: list[str | Path] = [
        *("--project-dir", warehouse.project, "--profiles-dir", warehouse.project),
        *("--target-path", warehouse.folder / "target"),
        *("--log-path", warehouse.folder / "logs"),
        *("--vars", f"{{as_of: {AS_OF}}}"),
    ]
    steps = (
        [["seed", "--quiet"], [verb, *arguments]]
        if verb == "run"
        else [[verb, *arguments]]
    )
    for step in steps:
        done = subprocess.run(
            [*command, *step, *project],
            cwd=ROOT,
            env=os.environ | {"MILLRACE_WAREHOUSE": str(warehouse.file)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
