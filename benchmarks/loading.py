"""Loading and pulling: sealed segments into raw tables against a typed scan of the same files and against dlt, and an
extract into the landing zone.

The limit of a load is what any engine has to do at least: parse the same bytes with every column typed. Each side is a
process of its own, imports included.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson

from benchmarks.harness import Figure, Usage, compare, measure, module
from ingestion.connectors import ExtractSource, load_source, pull
from ingestion.contracts import STREAMS
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.warehouse.loading import load
from orchestration.warehouse.schema import contract_columns
from simulator.bulk import write_segments

DLT_EVENTS = 100_000  # as many as dlt loads in about a minute

CUSTOMERS = """
source_id: customers
kind: profiles
description: Customers.
owner: benchmark
extract: {files: customers.csv, format: csv}
row_key: [id]
deletes: missing
identifiers: {crm_id: id, email: mail, phone: phone}
consent: {marketing: newsletter}
observed_at: changed
types: {points: integer}
"""


def scan(folder: Path, events: int, runs: int) -> Figure:
    """Load : typed scan of the same files."""
    landed = _written(folder, events)
    return _figure(
        f"load : typed scan, {events:,} events",
        events,
        compare(
            lambda: _load(folder, landed), lambda: _own(folder, "scan", landed), runs
        ),
        target=4,
    )


def dlt(folder: Path, events: int, runs: int) -> Figure:
    """Our load : dlt's, with nested values as JSON columns; the other way round it is how many times dlt needs."""
    events = min(events, DLT_EVENTS)
    landed = _written(folder, events)
    return _figure(
        f"load : dlt with JSON columns, {events:,} events",
        events,
        compare(
            lambda: _load(folder, landed), lambda: _own(folder, "dlt", landed), runs
        ),
        target=1 / 20,
    )


def pulling(folder: Path, rows: int, runs: int) -> Figure:
    """A first pull of `rows` customers : a second one that finds nothing new."""
    (folder / "extracts").mkdir()
    with (folder / "extracts" / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("id,mail,phone,first,last,city,points,newsletter,changed\n")
        file.writelines(_customer(number) for number in range(rows))
    (folder / "customers.yml").write_text(CUSTOMERS)

    def first() -> Usage:
        shutil.rmtree(folder / "home", ignore_errors=True)
        return _own(folder, "pull", folder)

    return _figure(
        f"first pull : second pull, {rows:,} rows",
        rows,
        compare(first, lambda: _own(folder, "pull", folder), runs),
    )


def _figure(
    name: str,
    records: int,
    compared: tuple[Usage, Usage, list[float]],
    target: float | None = None,
) -> Figure:
    subject, limit, ratios = compared
    return Figure(
        name=name,
        unit=f"{subject.cpu_seconds / records * 1e6:.1f} CPU µs",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
        target=target,
    )


def _written(folder: Path, events: int) -> Path:
    landed = folder / "landed"
    print(f"writing {events:,} events …", flush=True)
    write_segments(landed, events=events, seed=7)
    return landed


def _load(folder: Path, landed: Path) -> Usage:
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(landed, home / "landing", copy_function=os.link)
    return _own(folder, "load", home)


def _own(folder: Path, what: str, *places: Path) -> Usage:
    """One of the things below, as a process."""
    return measure(module(__name__, what, *map(str, places)), folder / f"{what}.log")


def _customer(number: int) -> str:
    return (
        f"{number},p{number}@x.example,+49151{number:08d},First{number % 97},Last{number % 991},"
        f"City{number % 55},{number % 1000},{'yes' if number % 3 else ''},2026-01-{number % 28 + 1:02d} 10:00:00\n"
    )


# From here on: what the processes do.


def _load_all(home: str) -> None:
    print(load(Settings(home=Path(home), sources_dir=Path(home) / "sources")))


def _scan_all(landed: str) -> None:
    columns = contract_columns(STREAMS["events"])
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    files = str(Path(landed) / "events" / "sealed" / "*.ndjson")
    with duckdb.connect() as connection:
        # the hash is asked for so that every value is converted; a count converts none
        found = connection.execute(
            f"select bit_xor(hash({', '.join(columns)})) "
            f"from read_json('{files}', format = 'newline_delimited', columns = {{{typed}}})"
        ).fetchall()
    print(found)


def _load_with_dlt(landed: str) -> None:
    """As dlt recommends for nested data that is to stay JSON: no child tables, the nested columns declared."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    kinds = contract_columns(STREAMS["events"])
    nested = [name for name, kind in kinds.items() if kind == "json" or "[]" in kind]

    @dlt.resource(
        name="events",
        max_table_nesting=0,
        columns={name: {"data_type": "json"} for name in nested},
    )
    def events():  # type: ignore[no-untyped-def]
        for path in sorted((Path(landed) / "events" / "sealed").glob("*.ndjson")):
            with path.open("rb") as file:
                while lines := file.readlines(1 << 20):
                    yield [orjson.loads(line) for line in lines]

    folder = Path(landed).parent / "dlt"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=str(folder),
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="raw",
    )
    print(pipeline.run(events()))


def _pull_all(folder: str) -> None:
    here = Path(folder)
    source = load_source(here / "customers.yml")
    assert isinstance(source, ExtractSource)
    with LandingWriter(here / "home" / "landing") as writer:
        print(pull(source, writer, here / "home", extracts=here / "extracts"))


PROCESSES: dict[str, Callable[[str], None]] = {
    "load": _load_all,
    "scan": _scan_all,
    "dlt": _load_with_dlt,
    "pull": _pull_all,
}

if __name__ == "__main__":
    PROCESSES[sys.argv[1]](sys.argv[2])
