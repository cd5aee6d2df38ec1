"""Records of the read copy and of the landing zone's tail as log entries: shape, canonical form, result, reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from ingestion.landing import read_tail
from ingestion.settings import Settings

Row = dict[str, Any]
# Of the canonical form; the rest is said with its types and ids already.
SHOWN = ("identifiers", "properties", "traits", "context", "consent")


@dataclass(frozen=True)
class Entry:
    """One call: what came and what became of it. `result` is accepted, duplicate, rejected, or landed (not loaded yet)."""

    received_at: datetime
    source_id: str
    shape: str
    name: str
    result: str
    reason: str
    event_id: str
    record_id: str
    canonical: Row


def last(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    count: int,
    source_id: str | None = None,
    text: str | None = None,
) -> list[Entry]:
    """The last entries of a source, or of all, that hold the text anywhere; the newest last."""
    asked = {"source": source_id, "text": text, "count": count}
    found = [_entry(row) for row in _rows(connection, _LOADED, asked)]
    found += [_refused(row) for row in _rows(connection, _REFUSED, asked)]
    for stream, made in (("events", _waiting), ("rejects", _refused)):
        for row in read_tail(settings.landing, stream, _segments(connection, stream)):
            if source_id not in (None, row["source_id"]):
                continue
            if text is None or text.lower() in str(row).lower():
                found.append(made(row))
    found.sort(key=lambda entry: (entry.received_at, entry.record_id))
    return found[-count:]


def crowds(
    connection: duckdb.DuckDBPyConnection, source_id: str, count: int = 10
) -> list[tuple[str, str, int]]:
    """The identifiers of a source's last day that stand beside the most other sets of identifiers: (type, value, sets)."""
    return connection.execute(
        """
        with lately as (
            select identifiers from raw.events
            where source_id = $source and received_at > (
                select max(received_at) - interval '1' day from raw.events where source_id = $source
            )
        )
        select each.type, each.value, count(distinct cast(identifiers as varchar)) as sets
        from lately, unnest(identifiers) as items (each)
        where each.type not in ('anonymous_id', 'device_id')
        group by all order by sets desc, 1, 2 limit $count
        """,
        {"source": source_id, "count": count},
    ).fetchall()


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, asked: dict[str, Any]
) -> list[Row]:
    cursor = connection.execute(sql, asked)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _segments(connection: duckdb.DuckDBPyConnection, stream: str) -> set[str]:
    rows = connection.execute(
        "select segment from raw.loads where stream = ?", [stream]
    ).fetchall()
    return {segment for (segment,) in rows}


def _entry(row: Row) -> Entry:
    is_kept = row["kept_record_id"] == row["record_id"]
    notes = ", ".join(row["flags"] or [])
    return Entry(
        received_at=row["received_at"],
        source_id=row["source_id"],
        shape=row["shape"],
        name=row["name"] or row["type"],
        result="accepted" if is_kept else "duplicate",
        reason=notes if is_kept else f"repeats record {row['kept_record_id']}",
        event_id=row["event_id"],
        record_id=str(row["record_id"]),
        canonical={name: row[name] for name in SHOWN if row[name]},
    )


def _waiting(row: Row) -> Entry:
    return Entry(
        received_at=_moment(row["received_at"]),
        source_id=row["source_id"],
        shape=row["shape"],
        name=row["name"] or row["type"],
        result="landed",
        reason="loaded by the next refresh",
        event_id=row["event_id"],
        record_id=row["record_id"],
        canonical={name: row[name] for name in SHOWN if row[name]},
    )


def _refused(row: Row) -> Entry:
    return Entry(
        received_at=_moment(row["received_at"]),
        source_id=row["source_id"],
        shape=row["endpoint"] or "-",
        name="-",
        result="rejected",
        reason=f"{row['code']}: {row['detail']}",
        event_id="-",
        record_id=str(row["record_id"]),
        canonical={"as it came": row["raw"]},
    )


def _moment(value: str | datetime) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=None)


_LOADED = """
    with wanted as (
        select * from raw.events
        where ($source is null or source_id = $source)
            and (
                $text is null or contains(lower(
                    coalesce(name, '') || event_id || cast(record_id as varchar) || cast(identifiers as varchar)
                    || coalesce(cast(properties as varchar), '') || coalesce(cast(traits as varchar), '')
                ), lower($text))
            )
        order by record_id desc
        limit $count
    )
    select wanted.*, kept.record_id as kept_record_id
    from wanted
    left join staging.int_distinct_events as kept
        on wanted.source_id = kept.source_id and wanted.event_id = kept.event_id
"""
_REFUSED = """
    select * from raw.rejects
    where ($source is null or source_id = $source)
        and ($text is null or contains(lower(raw || code || coalesce(detail, '') || cast(record_id as varchar)), lower($text)))
    order by record_id desc
    limit $count
"""
