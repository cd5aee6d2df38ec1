#!/usr/bin/env python3
"""dbt on a leash: it dies with the run that started it, and calls every home's warehouse by one name.

For Linux. A run that is killed would leave its dbt building on, beside the next run and into the same tables. Linux ends a
process with its parent when asked to; the request survives exec.

A refresh can wait a moment; the collector, the relay and people who look something up cannot. So it takes second place.

dbt parses the whole project anew when the path in its profile is another than last time, so each home (or tenant)
would throw away what the last one parsed. The warehouse's folder is held open under one descriptor instead.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
# How far dbt steps back for whoever else wants the processor. Valid: 0 (not at all) to 19.
NICENESS = 5
HELD = 100
# dbt-spark asks every session for a metastore, which is the server's to choose; pyspark says so each time it connects.
UNHEARD = "ignore:Failed to set spark.sql.catalogImplementation:UserWarning"
ONE_NAME = f"/proc/self/fd/{HELD}/millrace.duckdb"


def hold_folder(warehouse: Path) -> str:
    """The name of the warehouse file for this process and whatever it becomes by exec."""
    os.dup2(os.open(warehouse.parent, os.O_DIRECTORY), HELD, inheritable=True)
    return ONE_NAME


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICENESS)
    warehouse = Path(os.environ["MILLRACE_WAREHOUSE"])
    os.environ["MILLRACE_WAREHOUSE"] = hold_folder(warehouse)
    told = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = f"{told},{UNHEARD}" if told else UNHEARD
    os.execvp("dbt", ["dbt", *sys.argv[1:]])
