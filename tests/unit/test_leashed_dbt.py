"""The leash around dbt, with a dbt that says what it hears."""

import os
import subprocess
import sys
from pathlib import Path

from orchestration.resources import LEASHED

SAYS = f"""#!{sys.executable}
import warnings
warnings.warn("Failed to set spark.sql.catalogImplementation to Some(hive) due to [CANNOT_MODIFY_STATIC_CONFIG]")
warnings.warn("something else")
"""


def test_what_a_server_chooses_is_not_told_anew_for_each_connection(
    tmp_path: Path,
) -> None:
    dbt = tmp_path / "dbt"
    dbt.write_text(SAYS, "utf-8")
    dbt.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MILLRACE_WAREHOUSE": str(tmp_path / "millrace.duckdb"),
        "PYTHONWARNINGS": "default",
    }
    done = subprocess.run(
        [sys.executable, str(LEASHED)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "something else" in done.stderr
    assert "catalogImplementation to" not in done.stderr
