"""What earlier pulls of a source landed: a hash per row, and the refusals already on record.

The state is a SQLite file, so that it needs no memory in proportion to the source. It is a cache. The landing zone is
the truth: when the file is missing, broken or was left behind by a pull that died, it is rebuilt from there, so a row
never lands twice.
"""

import fcntl
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ingestion.connectors.event_rows import landed_row
from ingestion.landing import read_tail

VERSION = 2
BATCH = 1000  # rows asked for or written at once
PLACE = "extract:"
"""Rejects of extracts name their file as `extract:<file>` where a request names its endpoint."""

SCHEMA = """
    create table if not exists about (name text primary key, value text) without rowid;
    create table if not exists known
        (row_key text primary key, row_hash blob not null) without rowid;
    create table if not exists on_record
        (mark text primary key, times integer not null) without rowid;
"""


class Memory:
    """Row key → hash of the row as last landed, deleted ones left out; fingerprint of a refusal → times refused."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def begin(self) -> None:
        """Say on disk that a pull is landing: whoever finds this later has to look in the landing zone."""
        self.note("landing", True)

    def note(self, name: str, value: Any) -> None:
        """Keep a value with the state."""
        self.connection.execute(
            "insert or replace into about values (?, ?)",
            [name, orjson.dumps(value).decode()],
        )

    def noted(self, name: str) -> Any:
        """A value kept with the state; None if there is none."""
        found = self.connection.execute(
            "select value from about where name = ?", [name]
        ).fetchone()
        return orjson.loads(found[0]) if found else None

    def count(self) -> int:
        """Rows that are landed and not deleted."""
        (rows,) = self.connection.execute("select count(*) from known").fetchone()
        return int(rows)

    def hashes(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The hashes of those of `keys` that are known."""
        return dict(
            self.connection.execute(
                "select row_key, row_hash from known where row_key in (select value from json_each(?))",
                [orjson.dumps(list(keys)).decode()],
            )
        )


@contextmanager
def remembered(source_id: str, stream: str, home: Path) -> Iterator[Memory]:
    """The memory of a source, held by one pull at a time."""
    folder = home / "connectors"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{source_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / f"{source_id}.sqlite"
        landing = home / "landing"
        with closing(_opened(path, source_id, stream, landing)) as connection:
            yield Memory(connection)


def fingerprint(
    place: str | None, code: str, column: str | None, encoding: str, raw: str
) -> str:
    """One refusal, wherever in the file it stands."""
    parts = orjson.dumps([place, code, column, encoding, raw])
    return hashlib.sha256(parts).hexdigest()[:32]


def last_records(
    source_id: str, stream: str, landing: Path
) -> Iterator[list[dict[str, Any]]]:
    """The records landed for a source, oldest segment first, in batches. A key may come again with a later record."""
    own = (
        record
        for record in read_tail(landing, stream, set(), containing=source_id.encode())
        if record["source_id"] == source_id
    )
    while batch := list(islice(own, BATCH)):
        yield batch


def _opened(
    path: Path, source_id: str, stream: str, landing: Path
) -> sqlite3.Connection:
    """The state file, or one made anew if it cannot be trusted."""
    if (connection := _trusted(path, landing / stream)) is not None:
        return connection
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    connection = _connected(path)
    connection.executescript(SCHEMA)
    _fill(connection, source_id, stream, landing)
    return connection


def _trusted(path: Path, streamed: Path) -> sqlite3.Connection | None:
    if not path.exists():
        return None
    connection = _connected(path)
    memory = Memory(connection)
    try:
        is_current = memory.noted("version") == VERSION and not memory.noted("landing")
        if is_current and (streamed.exists() or not memory.count()):
            return connection
    except sqlite3.DatabaseError:
        pass
    connection.close()
    return None


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _fill(
    connection: sqlite3.Connection, source_id: str, stream: str, landing: Path
) -> None:
    """Take from the landing zone what is landed, in one transaction."""
    connection.execute("begin")
    connection.execute(
        "create temp table latest (row_key text primary key, record_id text, row_hash blob) without rowid"
    )
    for batch in last_records(source_id, stream, landing):
        connection.executemany(
            "insert into latest values (?, ?, ?) on conflict (row_key) do update "
            "set record_id = excluded.record_id, row_hash = excluded.row_hash "
            "where excluded.record_id > record_id",
            [landed for record in batch if (landed := _landed(record))],
        )
    connection.execute(
        "insert into known select row_key, row_hash from latest where row_hash is not null"
    )
    connection.execute("drop table latest")
    connection.executemany(
        "insert into on_record values (?, 1) on conflict (mark) do update set times = times + 1",
        ([mark] for mark in _landed_marks(source_id, landing)),
    )
    Memory(connection).note("version", VERSION)
    connection.execute("commit")


def _landed(record: dict[str, Any]) -> tuple[str, str, bytes | None] | None:
    """Key, record and hash of a landed row, no hash for a deleted one; None for what was no row."""
    if "row_key" in record:
        kept = bytes.fromhex(record["row_hash"]) if record["op"] == "upsert" else None
        return record["row_key"], record["record_id"], kept
    row = landed_row(record)
    return (row[0], record["record_id"], bytes.fromhex(row[1])) if row else None


def _landed_marks(source_id: str, landing: Path) -> Iterator[str]:
    """The fingerprint of each refusal that is on record."""
    for record in read_tail(landing, "rejects", set(), containing=source_id.encode()):
        place = record["endpoint"]
        if record["source_id"] == source_id and place and place.startswith(PLACE):
            yield fingerprint(
                place, record["code"], record["path"], record["encoding"], record["raw"]
            )
