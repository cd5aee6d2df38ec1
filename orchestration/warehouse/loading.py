"""The loader: every sealed or archived segment goes into raw exactly once, and then into the archive.

One transaction holds the rows of a segment and its row in raw.loads, so a crash anywhere leaves it loaded or not,
never half. Reading files is segments.py, telling good lines from bad isolating.py, table shapes schema.py.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb

from ingestion import landing
from ingestion.connectors.declarations import Source
from ingestion.connectors.loading import load_sources
from ingestion.contracts import STREAMS
from ingestion.crash_points import reached
from ingestion.logs import about
from ingestion.segments import archived_segment
from ingestion.settings import Settings
from orchestration.journeys import load_journeys
from orchestration.journeys.relation import as_row
from orchestration.privacy.rewriting import came_back, forget_originals, rewrite
from orchestration.privacy.sieve import Changes, Sieve
from orchestration.privacy.tombstones import read_register
from orchestration.warehouse.isolating import BadLine, Isolated, isolate
from orchestration.warehouse.phones import extend_phone_numbers
from orchestration.warehouse.schema import (
    LEDGERS,
    SESSION,
    contract_columns,
    create_raw,
    required_columns,
    warehouse,
)
from orchestration.warehouse.segments import Measured, archive, lines, measure

log = logging.getLogger(__name__)

# One statement for many files, but a transaction that fits into memory and a crash that costs little.
BATCH_BYTES = 256 << 20
BATCH_SEGMENTS = 500


class LoadRefused(RuntimeError):  # noqa: N818 - says what happened
    """A segment contradicts what was loaded before. Nothing was loaded."""


@dataclass
class LoadResult:
    """What one load did. Rows are counted per stream and per (stream, source)."""

    segments: int = 0
    finished: int = 0  # loaded by an interrupted run, archived by this one
    rows: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    by_source: Counter[tuple[str, str]] = field(default_factory=Counter)
    phone_numbers: int = 0
    forbidden: int = (
        0  # lines taken out, because somebody is erased or their time is over
    )


class Loader(NamedTuple):
    """What every step of one load works with."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    sieve: Sieve
    result: LoadResult


def load(settings: Settings) -> LoadResult:
    """Load what the ledger does not know yet. Running it again loads nothing."""
    landing.recover(settings.landing)
    declared = load_sources(settings.sources_dir)
    journeys = [as_row(journey) for journey in load_journeys(settings)]
    with warehouse(settings.warehouse) as connection:
        create_raw(connection)
        result = LoadResult()
        loader = Loader(
            connection, settings, Sieve(connection, read_register(settings)), result
        )
        forget_originals(settings)
        ledger = dict(
            connection.execute("select segment, sha256 from raw.loads").fetchall()
        )
        sealed = landing.sealed_segments(settings.landing)
        archived = landing.archived_segments(settings.landing)
        refuse_changed(sealed, archived, ledger)
        result.phone_numbers += _replace_sources(connection, declared)
        with _transaction(connection):
            _replace(connection, "journeys", journeys)
        for segment in sealed:
            if segment.name in ledger:
                archive(measure(segment), settings.landing)
                result.finished += 1
        sieve_what_came_back(loader)
        waiting = {s.name: s for s in [*archived, *sealed] if s.name not in ledger}
        for batch in batches(waiting.values()):
            _load(loader, batch)
    return result


@contextmanager
def gate(settings: Settings, declared: list[Source]) -> Iterator[Loader]:
    """A loader in memory: what passes through it is held against the register of privacy, for a warehouse elsewhere."""
    with duckdb.connect() as connection:
        connection.execute(SESSION)
        create_raw(connection)
        sieve = Sieve(connection, read_register(settings))
        loader = Loader(connection, settings, sieve, LoadResult())
        _replace_sources(connection, declared)
        sieve_what_came_back(loader)
        yield loader


def passed(loader: Loader, batch: list[Measured]) -> list[Measured]:
    """The segments without what is forbidden, in the archive. They can be loaded from there, now or by the next run."""
    _load(loader, batch)
    for table in [batch[0].stream, "loads", "load_rejects"]:
        loader.connection.execute(f"delete from raw.{table}")
    folder = loader.settings.landing
    return [measure(archived_segment(folder, s.stream, s.name)) for s in batch]


def sieve_what_came_back(loader: Loader) -> None:
    """A backup that was put back over the archive brings back nobody, whether it is loaded anew or was loaded before."""
    for segment in came_back(loader.settings):
        measured, stream = measure(segment), segment.stream
        columns = ", ".join(f'"{name}"' for name in contract_columns(STREAMS[stream]))
        with _split(loader, measured) as (split, scratch):
            loader.connection.execute(
                f"create or replace temp table came_back as select {columns}, $name as _segment "
                f"from {_reader(stream)} where {_is_record(stream)}",
                {"files": [str(scratch)], "name": segment.name},
            )
        bad = [line.text.decode("utf-8", "backslashreplace") for line in split.bad]
        loader.connection.execute(
            "create or replace temp table unreadable as select $name as segment, unnest($bad::varchar[]) as raw",
            {"name": segment.name, "bad": bad},
        )
        changes = {
            **loader.sieve.forbidden(stream, "came_back").get(segment.name, {}),
            **loader.sieve.unreadable("unreadable").get(segment.name, {}),
        }
        _take_out(loader, [measured], {segment.name: changes})


@contextmanager
def _split(loader: Loader, segment: Measured) -> Iterator[tuple[Isolated, Path]]:
    """The lines of a segment that can be read, in a file of their own, and the others."""
    connection, settings, stream = loader.connection, loader.settings, segment.stream
    scratch = settings.warehouse.parent / "isolating.ndjson"
    try:
        split = isolate(
            stream,
            lines(segment),
            lambda file: _count_readable(connection, stream, file),
            scratch,
        )
        scratch.write_bytes(b"".join(text + b"\n" for text in split.good))
        yield split, scratch
    finally:
        scratch.unlink(missing_ok=True)


def _take_out(
    loader: Loader, batch: list[Measured], changes: Changes
) -> list[Measured]:
    """The segments without what is forbidden, archived, so that the files hold no more than the tables."""
    taken = []
    for segment in batch:
        if segment.name in changes:
            if not segment.is_archived:
                archive(segment, loader.settings.landing)
            copy = archived_segment(
                loader.settings.landing, segment.stream, segment.name
            )
            entry = rewrite(loader.settings, copy, changes[segment.name])
            loader.result.forbidden += entry.lines_before - entry.lines
            segment = measure(
                archived_segment(loader.settings.landing, segment.stream, segment.name)
            )
        taken.append(segment)
    return taken


def refuse_changed(
    sealed: Iterable[landing.Segment],
    archived: Iterable[landing.Segment],
    ledger: dict[str, str],
) -> None:
    """A name is loaded once. The same name with other bytes is a mistake that only a person can judge."""
    copies = {segment.name: segment for segment in archived}
    for segment in sealed:
        twin = copies.get(segment.name)
        if segment.name not in ledger and twin is None:
            continue
        found = measure(segment).sha256
        known = {ledger.get(segment.name), twin and measure(twin).sha256} - {None}
        if known != {found}:
            raise LoadRefused(
                f"The segment {segment.path} was loaded before with other bytes. Nothing was loaded. "
                "Move the file out of the landing zone; if its records are new, land them again through the collector."
            )


def batches(segments: Iterable[landing.Segment]) -> Iterator[list[Measured]]:
    """Segments of one stream, in the order of their names, up to the limits of one transaction."""
    batch: list[Measured] = []
    size = 0
    for segment in sorted(segments, key=lambda s: (s.stream, s.name)):
        full = size >= BATCH_BYTES or len(batch) >= BATCH_SEGMENTS
        if batch and (full or batch[0].stream != segment.stream):
            yield batch
            batch, size = [], 0
        batch.append(measure(segment))
        size += batch[-1].bytes
    if batch:
        yield batch


def _load(loader: Loader, batch: list[Measured], is_sieved: bool = False) -> None:
    """Load a batch as a whole; if it does not load so, segment by segment; at last line by line."""
    connection, settings, sieve, result = loader
    first = _next_load_id(connection)
    try:
        with _transaction(connection):
            _insert_whole(connection, batch, first, result)
            _refuse_forbidden(sieve, batch, first, is_sieved)
    except _NotWholeError:
        if len(batch) == 1:
            try:
                _insert_isolated(loader, batch[0], first, is_sieved)
            except _ForbiddenError as error:
                return _load(loader, _take_out(loader, batch, error.changes), True)
        else:
            for segment in batch:
                _load(loader, [segment])
            return None
    except _ForbiddenError as error:
        return _load(loader, _take_out(loader, batch, error.changes), True)
    reached("loader.committed")
    _count(connection, batch[0].stream, first, result)
    result.segments += len(batch)
    for segment in batch:
        log.info(
            "loaded",
            extra=about(
                stream=segment.stream, segment=segment.name, bytes=segment.bytes
            ),
        )
        if not segment.is_archived:
            archive(segment, settings.landing)
    return None


class _ForbiddenError(Exception):
    """The batch holds what the register of privacy forbids; the tables must not see it."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self.changes = changes


def _refuse_forbidden(
    sieve: Sieve, batch: list[Measured], first: int, is_sieved: bool
) -> None:
    stream = batch[0].stream
    if is_sieved:
        return
    changes = sieve.forbidden(stream, f"raw.{stream}", f"_load_id >= {first}")
    names = ", ".join("'" + s.name.replace("'", "''") + "'" for s in batch)
    unreadable = sieve.unreadable("raw.load_rejects", f"segment in ({names})")
    for name, found in unreadable.items():
        changes.setdefault(name, {}).update(found)
    if changes:
        raise _ForbiddenError(changes)


class _NotWholeError(Exception):
    """Some line of the batch is no record of its stream."""


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _insert_whole(
    connection: duckdb.DuckDBPyConnection,
    batch: list[Measured],
    first: int,
    result: LoadResult,
) -> None:
    """The fast path: every line of every segment is a record."""
    stream = batch[0].stream
    files = {str(segment.path): segment for segment in batch if segment.bytes}
    try:
        _insert(connection, stream, files, batch, first)
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
            raise
        raise _NotWholeError from error
    found = connection.execute(
        f"select _segment, count(*) from raw.{stream} where _load_id >= ? group by all",
        [first],
    )
    rows = Counter(dict(found.fetchall()))
    if any(rows[segment.name] != segment.lines for segment in batch):
        raise _NotWholeError
    for load_id, segment in enumerate(batch, start=first):
        _record(connection, segment, load_id, rejected=0)
    result.phone_numbers += extend_phone_numbers(connection, [stream], first)
    reached("loader.inserted")


def _insert_isolated(
    loader: Loader, segment: Measured, load_id: int, is_sieved: bool
) -> None:
    """The slow path: load the lines that can be read, and keep the others with their reason."""
    connection, result, stream = loader.connection, loader.result, segment.stream
    # before the transaction: a failing probe would abort it
    with _split(loader, segment) as (split, scratch):
        files = {str(scratch): segment} if split.good else {}
        with _transaction(connection):
            _insert(connection, stream, files, [segment], load_id)
            _keep_bad_lines(connection, segment, split.bad)
            _record(connection, segment, load_id, rejected=len(split.bad))
            result.phone_numbers += extend_phone_numbers(connection, [stream], load_id)
            _refuse_forbidden(loader.sieve, [segment], load_id, is_sieved)
            reached("loader.inserted")
    result.rejected[stream] += len(split.bad)


def _insert(
    connection: duckdb.DuckDBPyConnection,
    stream: str,
    files: dict[str, Measured],
    batch: list[Measured],
    first: int,
) -> None:
    if not files:
        return
    columns = contract_columns(STREAMS[stream])
    load_ids = {s.name: load_id for load_id, s in enumerate(batch, start=first)}
    names = ", ".join(f'"{name}"' for name in columns)
    connection.execute(
        f"""
        insert into raw.{stream} ({names}, _segment, _load_id)
        select {names}, segments[filename].name, segments[filename].load_id
        from {_reader(stream)},
            (select $segments::map(varchar, struct(name varchar, load_id bigint)) as segments)
        where {_is_record(stream)}
        """,
        {
            "files": list(files),
            "segments": {
                path: {"name": s.name, "load_id": load_ids[s.name]}
                for path, s in files.items()
            },
        },
    )


def _count_readable(
    connection: duckdb.DuckDBPyConnection, stream: str, file: Path
) -> int:
    columns = ", ".join(f'"{name}"' for name in contract_columns(STREAMS[stream]))
    # the hash is asked for so that every value is converted, as it is when it is inserted; a count alone converts none
    found = connection.execute(
        f"select count(*), bit_xor(hash({columns})) from {_reader(stream)} where {_is_record(stream)}",
        {"files": [str(file)]},
    ).fetchall()
    return int(found[0][0])


def _reader(stream: str) -> str:
    """The scan. Every key is declared: it is six times cheaper, and no type is guessed."""
    columns = {"stream": "varchar", **contract_columns(STREAMS[stream])}
    declared = ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items())
    return (
        f"read_json($files, columns = {{{declared}}}, format = 'newline_delimited', "
        "filename = true)"
    )


def _is_record(stream: str) -> str:
    """What a line must have: the reader turns `{}` into a row of NULLs without a word."""
    required = required_columns(STREAMS[stream])
    present = " and ".join(f'"{name}" is not null' for name in required)
    return f"stream = '{stream}' and {present}"


def _next_load_id(connection: duckdb.DuckDBPyConnection) -> int:
    highest = connection.execute("select max(load_id) from raw.loads").fetchall()[0][0]
    return (highest or 0) + 1


def _record(
    connection: duckdb.DuckDBPyConnection,
    segment: Measured,
    load_id: int,
    rejected: int,
) -> None:
    _insert_rows(connection, "loads", [ledger_row(segment, load_id, rejected)])


def ledger_row(segment: Measured, load_id: int, rejected: int) -> dict[str, object]:
    """A segment's row in raw.loads."""
    return {
        "load_id": load_id,
        "stream": segment.stream,
        "segment": segment.name,
        "lines": segment.lines,
        "loaded": segment.lines - rejected,
        "rejected": rejected,
        "bytes": segment.bytes,
        "sha256": segment.sha256,
    }


def _keep_bad_lines(
    connection: duckdb.DuckDBPyConnection, segment: Measured, bad: list[BadLine]
) -> None:
    _insert_rows(connection, "load_rejects", reject_rows(segment, bad))


def reject_rows(segment: Measured, bad: list[BadLine]) -> list[dict[str, object]]:
    """The rows of raw.load_rejects for lines that could not be read."""
    return [
        {
            "stream": segment.stream,
            "segment": segment.name,
            "line": line.number,
            "reason": line.reason,
            "raw": line.text.decode("utf-8", "backslashreplace"),
        }
        for line in bad
    ]


def source_rows(declared: list[Source]) -> list[dict[str, object]]:
    """The rows of raw.sources."""
    return [{c: getattr(source, c) for c in LEDGERS["sources"]} for source in declared]


def _replace_sources(
    connection: duckdb.DuckDBPyConnection, declared: list[Source]
) -> int:
    """Put the declared sources into raw.sources. A changed region makes phone numbers mean something else: look at all."""
    rows = source_rows(declared)
    known = connection.execute("select * from raw.sources order by all").fetchall()
    if sorted(known) == sorted(tuple(row.values()) for row in rows):
        return 0
    with _transaction(connection):
        _replace(connection, "sources", rows)
        return extend_phone_numbers(connection, list(STREAMS))


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]
) -> None:
    connection.execute(f"delete from raw.{table}")
    _insert_rows(connection, table, rows)


def _insert_rows(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]
) -> None:
    """All rows in one statement: one for each costs a thousand times as much."""
    if rows:
        kinds = LEDGERS[table]
        lists = ", ".join(
            f"unnest($i{n}::{kind}[])" for n, kind in enumerate(kinds.values())
        )
        values = {f"i{n}": [row[c] for row in rows] for n, c in enumerate(kinds)}
        connection.execute(f"insert into raw.{table} select {lists}", values)


def _count(
    connection: duckdb.DuckDBPyConnection, stream: str, first: int, result: LoadResult
) -> None:
    loaded = connection.execute(
        f"select source_id, count(*) from raw.{stream} where _load_id >= ? group by all",
        [first],
    ).fetchall()
    for source, rows in loaded:
        result.rows[stream] += rows
        result.by_source[stream, source] += rows
