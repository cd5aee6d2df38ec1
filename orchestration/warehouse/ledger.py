"""Questions to the loader's ledger. The answers are asset checks and metadata; nothing here changes anything."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import duckdb

from ingestion.contracts import STREAMS


class Connection(Protocol):
    """Whatever answers SQL that both engines know: a DuckDB connection, or a session with a cluster."""

    def execute(self, query: str, /) -> Any: ...


def unbalanced(connection: Connection) -> list[str]:
    """What does not add up: lines read = loaded + rejected, and rows in raw = rows loaded. Empty when all is well."""
    segments = connection.execute(
        """
        select stream || '/' || segment || ': ' || lines || ' lines, ' || loaded
            || ' loaded, ' || rejected || ' rejected'
        from raw.loads
        where lines != loaded + rejected
        order by load_id
        """
    ).fetchall()
    rejects = connection.execute(
        """
        select 'load_rejects: ' || kept.n || ' lines kept, ' || ledger.n || ' in the ledger'
        from (select count(*) as n from raw.load_rejects) as kept,
            (select coalesce(sum(rejected), 0) as n from raw.loads) as ledger
        where kept.n != ledger.n
        """
    ).fetchall()
    problems = [problem for (problem,) in [*segments, *rejects]]
    for stream in STREAMS:
        (rows,), (loaded,) = connection.execute(
            f"""
            select count(*) from raw.{stream}
            union all
            select coalesce(sum(loaded), 0) from raw.loads where stream = '{stream}'
            """
        ).fetchall()
        if rows != loaded:
            problems.append(f"{stream}: {rows} rows in raw, {loaded} in the ledger")
    return problems


def rows_in_raw(connection: Connection) -> dict[str, int]:
    """Rows of every stream's table."""
    counted = " union all ".join(
        f"select '{stream}', count(*) from raw.{stream}" for stream in STREAMS
    )
    return dict(connection.execute(counted).fetchall())


def rows_per_table(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """`schema.table` → rows, views left out; from the catalogue, so it costs nothing."""
    found = connection.execute(
        "select schema_name || '.' || table_name, estimated_size from duckdb_tables() order by all"
    )
    return dict(found.fetchall())


def last_received(connection: Connection, stream: str) -> dict[str, datetime]:
    """Source → when its newest row of the stream was landed (UTC, naive)."""
    return dict(
        connection.execute(
            f"select source_id, max(received_at) from raw.{stream} group by source_id"
        ).fetchall()
    )


def newest_received(
    connection: duckdb.DuckDBPyConnection, stream: str
) -> datetime | None:
    """When the stream's newest row was landed (UTC, naive); of a stream that stays on a cluster, as of the last build."""
    ((is_home,),) = connection.execute(
        "select count(*) > 0 from duckdb_tables() where schema_name = 'raw' and table_name = ?",
        [stream],
    ).fetchall()
    relation = f"raw.{stream}" if is_home else f"raw.newest where stream = '{stream}'"
    ((newest,),) = connection.execute(
        f"select max(received_at) from {relation}"
    ).fetchall()
    return newest  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Received:
    """What one source sent since the beginning. `rejected` was refused at the door and is not in `received`."""

    source_id: str
    kind: str
    received: int
    distinct: int
    rejected: int


def received_per_source(connection: Connection) -> list[Received]:
    """Every declared source, and any other that sent something. An extract row counts once per version."""
    found = connection.execute(
        """
        with received as (
            select source_id, 'events' as kind, count(*) as n, count(distinct event_id) as distinct_n
            from raw.events group by source_id
            union all
            select source_id, 'profiles', count(*), count(distinct (row_key, row_hash))
            from raw.profiles group by source_id
            union all
            select source_id, 'records', count(*), count(distinct (row_key, row_hash))
            from raw.records group by source_id
            union all
            select source_id, 'catalog', count(*), count(distinct (row_key, row_hash))
            from raw.catalog group by source_id
            union all
            select source_id, 'marketing', count(*), count(distinct (row_key, row_hash))
            from raw.marketing group by source_id
        ),
        rejected as (
            select source_id, count(*) as n from raw.rejects group by source_id
        ),
        known as (
            select source_id, kind from raw.sources
            union
            select source_id, kind from received
        )
        select known.source_id, known.kind, coalesce(received.n, 0),
            coalesce(received.distinct_n, 0), coalesce(rejected.n, 0)
        from known
        left join received on known.source_id = received.source_id and known.kind = received.kind
        left join rejected on known.source_id = rejected.source_id
        order by known.kind, known.source_id
        """
    ).fetchall()
    return [Received(*row) for row in found]


def distinct_events(connection: Connection) -> int:
    """Events, each counted once however often it was received."""
    counted = connection.execute(
        "select count(*) from (select distinct source_id, event_id from raw.events)"
    )
    return int(counted.fetchall()[0][0])
