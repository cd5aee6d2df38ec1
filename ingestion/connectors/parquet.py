"""Parquet files as rows, read by DuckDB in memory: the one place of the front door that uses it, and only as a reader.

Text files are formats.py's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from ingestion.connectors.plain import plain
from ingestion.connectors.rows import Row, Unreadable

BATCH = 1000
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "512MB",
}


def parquet_rows(
    filesystem: Any, path: str, name: str, scratch: Path
) -> Iterator[Row | Unreadable]:
    """The rows of one file. A remote one is copied to `scratch` first: Parquet is read from its end."""
    if "file" in filesystem.protocol:
        yield from _local_rows(path, name)
        return
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".parquet") as copy:
        filesystem.get_file(path, copy.name)
        yield from _local_rows(copy.name, name)


def _local_rows(path: str, name: str) -> Iterator[Row | Unreadable]:
    line = 0
    with duckdb.connect(config=SETTINGS) as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            connection.execute("select * from read_parquet([$path])", {"path": path})
            columns = [column[0] for column in connection.description or []]
            while rows := connection.fetchmany(BATCH):
                for values in rows:
                    line += 1
                    yield Row(
                        plain(dict(zip(columns, values, strict=True))), name, line
                    )
        except duckdb.Error as error:
            said = str(error).replace(path, name).split("\n")[0]
            detail = f"the file cannot be read after row {line}: {said}"
            yield Unreadable(name, line + 1, "broken_file", detail, b"")
