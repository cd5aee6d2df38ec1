"""`python -m orchestration.summary`: what came in, who was found, which audiences, what went where.

Reads the read copy, the landing zone's tail and last_run.json; changes nothing. Totals are since the beginning.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from ingestion.landing import read_tail
from ingestion.settings import Settings, settings
from orchestration.progress import RunReport, last_run
from orchestration.warehouse.engines import landed
from orchestration.warehouse.ledger import Connection, received_per_source
from orchestration.warehouse.schema import read_copy

MIRRORED = ("enter", "update", "exit")


def main() -> int:
    configured = settings()
    try:
        for line in summary(configured):
            print(line)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def summary(configured: Settings) -> Iterator[str]:
    """The lines of the summary."""
    report = last_run(configured)
    with landed(configured) as connection:
        yield from came_in(connection)
    with read_copy(configured.published) as connection:
        yield from was_found(connection)
        yield from audiences(connection)
        yield from published(connection, configured, report)
    yield from where_to_look(configured)
    if report and report.succeeded and not report.changed:
        yield ""
        yield "Nothing changed, nothing published."


def came_in(connection: Connection) -> Iterator[str]:
    """Per source: what was received, and what became of it."""
    sources = received_per_source(connection)
    yield from _table(
        "What came in",
        ["source", "kind", "received", "distinct", "duplicates", "rejected"],
        [
            [
                s.source_id,
                s.kind,
                s.received,
                s.distinct,
                s.received - s.distinct,
                s.rejected,
            ]
            for s in sources
        ],
    )
    rejected = connection.execute("select count(*) from raw.load_rejects").fetchall()[
        0
    ][0]
    if rejected:
        yield f"  and {rejected:,} damaged lines, kept in raw.load_rejects"


def was_found(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """People, sessions and orders."""
    kinds = _counts(
        connection,
        "select profile_kind, count(*) from profiles.dim_profiles group by all",
    )
    sessions = _one(connection, "select count(*) from sessions.fct_sessions")
    orders = _one(
        connection, "select count(*) from orders.fct_orders where is_purchase"
    )
    abandoned = _one(
        connection, "select count(*) from orders.fct_orders where is_abandoned"
    )
    rows = [
        ["people known by an identity (anchors)", kinds.get("anchor", 0)],
        ["visitors known by a device only (shadows)", kinds.get("shadow", 0)],
        ["sessions", sessions],
        ["purchases", orders],
        ["abandoned carts", abandoned],
    ]
    yield from _table("Who was found", ["", "count"], rows)


def audiences(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Every audience with its size, the empty ones too."""
    members = _counts(
        connection,
        """
        select replace(tables.table_name, 'audience_', ''), count(members.profile_id)
        from information_schema.tables as tables
        left join audiences.fct_audience_members as members
            on members.audience_name = replace(tables.table_name, 'audience_', '')
        where tables.table_schema = 'audiences' and starts_with(tables.table_name, 'audience_')
        group by all
        """,
    )
    rows = [[name, members[name]] for name in sorted(members)]
    yield from _table("Audiences", ["audience", "members"], rows)


def published(
    connection: duckdb.DuckDBPyConnection,
    configured: Settings,
    report: RunReport | None,
) -> Iterator[str]:
    """Per sync: what the destination holds according to deliveries, and what the last run sent."""
    totals = deliveries(connection, configured)
    this_run = report.published if report else {}
    rows = []
    for sync_name, destination in connection.execute(
        "select sync_name, destination from seeds.syncs order by sync_name"
    ).fetchall():
        said = this_run.get(sync_name, {}).get("summary", "").partition(": ")[2]
        sent = [totals[sync_name, action] for action in MIRRORED]
        rows.append([sync_name, destination, *sent, said or "not part of the last run"])
    yield from _table(
        "What was published where",
        ["sync", "destination", "entered", "updated", "left", "the last run"],
        rows,
    )


def deliveries(
    connection: duckdb.DuckDBPyConnection, configured: Settings
) -> Counter[tuple[str, str]]:
    """(sync, action) → operations delivered since the beginning, those of the landing zone's tail included."""
    counted: Counter[tuple[str, str]] = Counter()
    for sync_name, action, n in connection.execute(
        """
        select sync_name, action, count(*)
        from raw.deliveries
        where kind = 'outcome' and outcome = 'delivered'
        group by all
        """
    ).fetchall():
        counted[sync_name, action] = n
    loaded = connection.execute(
        "select segment from raw.loads where stream = 'deliveries'"
    )
    seen = {name for (name,) in loaded.fetchall()}
    for row in read_tail(configured.landing, "deliveries", seen):
        if row["kind"] == "outcome" and row["outcome"] == "delivered":
            counted[row["sync_name"], row["action"]] += 1
    return counted


def where_to_look(configured: Settings) -> Iterator[str]:
    """The next door to open."""
    yield ""
    yield "Where to look next"
    yield "  make ui                the asset graph, with checks and pictures: http://127.0.0.1:3000"
    yield f"  {configured.published}"
    yield "                         every table, to be opened with DuckDB (read-only copy)"
    yield f"  {configured.outbox}"
    yield "                         what the file destinations received"
    yield f"  {configured.landing}"
    yield "                         every record as it was landed; the rest is derived from it"


def _table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[object]]
) -> Iterator[str]:
    """Columns as wide as they need to be; numbers to the right."""
    shown = [list(header), *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(header))]
    numeric = [bool(rows) and isinstance(rows[0][i], int) for i in range(len(header))]
    yield ""
    yield title
    for row in shown:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ]
        yield ("  " + "  ".join(cells)).rstrip()


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _counts(connection: duckdb.DuckDBPyConnection, sql: str) -> Mapping[str, int]:
    return dict(connection.execute(sql).fetchall())


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0])


if __name__ == "__main__":
    sys.exit(main())
