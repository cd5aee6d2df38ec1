"""What one pull found, kept on disk until the whole extract is read: memory stays the same however much it is.

Which rows are new is comparing.py's, what becomes of them pulling.py's. The file is scratch: a pull that dies leaves
nothing in it that anybody needs.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import orjson

from ingestion.connectors.memory import BATCH, Memory

MARKED_DELETED = b"deleted"  # in place of a hash: the source says so
REFUSED = b""  # in place of a hash: the row is there, but what is known of it stays
BATCH_BYTES = 8 * 1024 * 1024

SCHEMA = """
    pragma pull.journal_mode = off;
    pragma pull.synchronous = off;
    create table pull.found
        (row_key text primary key, row_hash blob not null, file text not null) without rowid;
    create table pull.fresh
        (id integer primary key, row_key text unique, record_id blob, line blob);
    create table pull.rejects (id integer primary key, record_id blob, line blob);
    create table pull.refusals
        (mark text primary key, times integer not null) without rowid;
    create table pull.gone (row_key text primary key) without rowid;
    create table pull.latest
        (row_key text primary key, record_id text, line blob) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record that is a line already; the landing zone takes it as it is."""

    stream: str
    record_id: UUID
    line: bytes

    def to_line(self, record_id: UUID) -> bytes:
        """The line, which names its own id."""
        if record_id != self.record_id:
            raise ValueError(f"the line was prepared as {self.record_id}")
        return self.line


@dataclass(frozen=True, slots=True)
class Found:
    """A row of the extract that was taken: its hash, and the file that has the last word on it."""

    row_hash: bytes
    file: str


class Spool:
    """The rows, refusals and deletions of one pull."""

    def __init__(self, memory: Memory) -> None:
        self._database = memory.connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is kept within is written at once: a write for each row would cost more than the row."""
        self._database.execute("begin")
        yield
        self._database.execute("commit")

    def found(self, keys: Iterable[str]) -> dict[str, Found]:
        """Those of `keys` that this pull has already."""
        rows = self._database.execute(
            "select row_key, row_hash, file from pull.found where row_key in (select value from json_each(?))",
            [orjson.dumps(list(keys)).decode()],
        )
        return {key: Found(row_hash, file) for key, row_hash, file in rows}

    def take(self, found: dict[str, Found], fresh: dict[str, Prepared | None]) -> None:
        """Keep rows by key; a fresh row of None takes back what an earlier file said."""
        self._database.executemany(
            "insert or replace into pull.found values (?, ?, ?)",
            [(key, each.row_hash, each.file) for key, each in found.items()],
        )
        self._database.executemany(
            "delete from pull.fresh where row_key = ?", [[key] for key in fresh]
        )
        self._database.executemany(
            "insert into pull.fresh (row_key, record_id, line) values (?, ?, ?)",
            [
                (key, each.record_id.bytes, each.line)
                for key, each in fresh.items()
                if each is not None
            ],
        )

    def keep_refused(self, keys: Iterable[str]) -> None:
        """A row that was refused is not missing."""
        self._database.executemany(
            "insert or ignore into pull.found values (?, x'', '')",
            [[key] for key in keys],
        )

    def refuse(self, mark: str, reject: Prepared) -> bool:
        """Keep a refusal, unless it is on record already. Whether it is new."""
        (times,) = self._database.execute(
            "insert into pull.refusals values (?, 1) "
            "on conflict (mark) do update set times = times + 1 returning times",
            [mark],
        ).fetchone()
        recorded = self._database.execute(
            "select times from on_record where mark = ?", [mark]
        ).fetchone()
        is_new = bool(times > (recorded[0] if recorded else 0))
        if is_new:
            self._database.execute(
                "insert into pull.rejects (record_id, line) values (?, ?)",
                [reject.record_id.bytes, reject.line],
            )
        return is_new

    def count(self, table: str) -> int:
        """Rows of one of the tables above."""
        (rows,) = self._database.execute(
            f"select count(*) from pull.{table}"
        ).fetchone()
        return int(rows)

    def rows_held(self) -> int:
        """Rows that the source holds, as far as this pull could tell."""
        (rows,) = self._database.execute(
            "select count(*) from pull.found where row_hash <> ?", [MARKED_DELETED]
        ).fetchone()
        return int(rows)

    def find_missing(self) -> int:
        """How many known rows the extract no longer holds; they are `gone` from here on."""
        self._database.execute(
            "insert into pull.gone select row_key from known "
            "where row_key not in (select row_key from pull.found)"
        )
        return self.count("gone")

    def forget_missing(self) -> None:
        """They are not believed to be deleted."""
        self._database.execute("delete from pull.gone")

    def find_marked(self) -> None:
        """Known rows that the source itself marks as deleted are `gone`, too."""
        self._database.execute(
            "insert or ignore into pull.gone select row_key from pull.found "
            "where row_hash = ? and row_key in (select row_key from known)",
            [MARKED_DELETED],
        )

    def gone(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that are gone."""
        rows = self._database.execute(
            "select row_key from pull.gone where row_key in (select value from json_each(?))",
            [orjson.dumps(list(keys)).decode()],
        )
        return {key for (key,) in rows}

    def keep_latest(self, records: Iterable[tuple[str, str, bytes]]) -> None:
        """The last landed record of each key."""
        self._database.executemany(
            "insert into pull.latest values (?, ?, ?) on conflict (row_key) do update "
            "set record_id = excluded.record_id, line = excluded.line where excluded.record_id > record_id",
            records,
        )

    def latest(self) -> Iterator[bytes]:
        """The last landed record of each key that is gone, in the order of the keys."""
        for (line,) in self._database.execute(
            "select line from pull.latest order by row_key"
        ):
            yield line

    def prepared(self, table: str, stream: str) -> Iterator[list[Prepared]]:
        """The lines of `fresh` or `rejects` in the order they came, in batches of bounded size."""
        batch: list[Prepared] = []
        size = 0
        for record_id, line in self._database.execute(
            f"select record_id, line from pull.{table} order by id"
        ):
            batch.append(Prepared(stream, UUID(bytes=record_id), line))
            size += len(line)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def remember(self, notes: dict[str, object]) -> None:
        """The memory becomes what is landed now, in one transaction."""
        memory = Memory(self._database)
        self._database.execute("begin")
        self._database.execute(
            "insert or replace into known select found.row_key, found.row_hash "
            "from pull.found as found left join known on known.row_key = found.row_key "
            "where found.row_hash not in (?, ?) "
            "and (known.row_hash is null or known.row_hash <> found.row_hash)",
            [MARKED_DELETED, REFUSED],
        )
        self._database.execute(
            "delete from known where row_key in (select row_key from pull.gone)"
        )
        self._database.execute(
            "insert or replace into on_record select refusals.mark, refusals.times "
            "from pull.refusals as refusals left join on_record on on_record.mark = refusals.mark "
            "where on_record.times is null or on_record.times < refusals.times"
        )
        for name, value in notes.items():
            memory.note(name, value)
        memory.note("landing", False)
        self._database.execute("commit")


@contextmanager
def spooled(memory: Memory, path: Path) -> Iterator[Spool]:
    """An empty spool in a file of its own, removed at the end; it is closed with the memory."""
    path.unlink(missing_ok=True)
    memory.connection.execute("attach database ? as pull", [str(path)])
    try:
        memory.connection.executescript(SCHEMA)
        yield Spool(memory)
    finally:
        path.unlink(missing_ok=True)
