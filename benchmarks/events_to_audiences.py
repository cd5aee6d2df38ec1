"""Events → audiences: sealed segments to published audience changes, in CPU seconds per event.

The limit is what any engine has to do at least: read the same bytes with every column typed, and one hash aggregate
over them. The subject is the whole refresh: loading, every dbt model and test, own facts, the read copy.
"""

import os
import shutil
import sys
from pathlib import Path

import duckdb

from benchmarks.harness import Figure, Usage, compare, measure, module
from ingestion.contracts import STREAMS
from orchestration.warehouse.schema import contract_columns
from simulator.bulk import write_segments

AS_OF = "2026-02-01T00:00:00"


def figure(folder: Path, events: int, runs: int) -> Figure:
    """Generate `events` events once, then refresh from nothing and read the limit, in turn."""
    landed = folder / "landed"
    print(f"writing {events:,} events …", flush=True)
    write_segments(landed, events=events, seed=7)
    subject, limit, ratios = compare(
        lambda: _refresh(folder, landed),
        lambda: _read(folder, landed),
        runs,
    )
    return Figure(
        name=f"events → audiences, {events:,} events",
        unit=f"{subject.cpu_seconds / events * 1e6:.1f} CPU µs an event",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
    )


def _refresh(folder: Path, landed: Path) -> Usage:
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(landed, home / "landing", copy_function=os.link)
    os.environ["MILLRACE_HOME"] = str(home)
    return measure(
        module("orchestration.run", "--job", "refresh", "--as-of", AS_OF),
        folder / "subject.log",
    )


def _read(folder: Path, landed: Path) -> Usage:
    return measure(module(__name__, str(landed)), folder / "limit.log")


def _limit(landed: Path) -> None:
    """Read every column of every event and aggregate by event id."""
    columns = contract_columns(STREAMS["events"])
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    touched = ", ".join(f"max({name})" for name in columns if name != "event_id")
    files = str(landed / "events" / "sealed" / "*.ndjson")
    with duckdb.connect() as connection:
        groups = connection.execute(
            f"select count(*) from (select event_id, {touched} from read_json('{files}',"
            f" format = 'newline_delimited', columns = {{{typed}}}) group by event_id)"
        ).fetchone()
    print(groups)


if __name__ == "__main__":
    _limit(Path(sys.argv[1]))
