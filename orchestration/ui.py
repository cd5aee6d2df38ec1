"""`python -m orchestration.ui`: the Dagster UI and daemon of this home, on loopback."""

import argparse
import os
import sys

from ingestion.settings import PROJECT_ROOT, settings
from orchestration.instance import prepare_environment


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.ui", description=__doc__
    )
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    prepare_environment(settings())
    print(f"The Dagster UI of {settings().home}: http://127.0.0.1:{arguments.port}")
    command = ["-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, *command, "-p", str(arguments.port)])


if __name__ == "__main__":
    main()
