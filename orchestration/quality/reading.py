"""What the pages show, as rows, from the read copy and the declared sources. Nothing is shown here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from ingestion.connectors import Source

Row = dict[str, Any]
# Streams that sources fill; our own facts are no source's.
STREAMS = ("events", "profiles", "records", "catalog", "marketing")
DAYS = 28


@dataclass(frozen=True)
class SourceLine:
    """One source of the catalogue. Counts are since the beginning but where they say otherwise."""

    source_id: str
    kind: str
    description: str
    owner: str
    contracts: str
    freshness: str
    received: int
    last_week: int
    rejected: int
    last_seen: datetime | None

    @property
    def reject_percent(self) -> float:
        return 100 * self.rejected / max(1, self.received + self.rejected)


def catalogue(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]
) -> list[SourceLine]:
    """Every declared source, whether or not it ever sent, and any other that did."""
    union = " union all ".join(
        f"select source_id, contract || ' ' || contract_version as contract, received_at from raw.{stream}"
        for stream in STREAMS
    )
    landed = _rows(
        connection,
        f"""
        with landed as ({union}),
        newest as (select max(received_at) as at_last from landed)
        select source_id, count(*) as received, max(received_at) as last_seen,
            count(*) filter (where received_at > at_last - interval '7' day) as last_week,
            string_agg(distinct contract, ', ' order by contract) as contracts
        from landed, newest group by source_id
        """,
    )
    refused = _rows(
        connection,
        "select source_id, count(*) as rejected from raw.rejects where code <> 'ignored_topic' group by all",
    )
    by_source = {row["source_id"]: row for row in landed}
    rejected = {row["source_id"]: row["rejected"] for row in refused}
    declared = {source.source_id: source for source in sources}
    return [
        _line(name, declared.get(name), by_source.get(name, {}), rejected.get(name, 0))
        for name in sorted({*declared, *by_source, *rejected})
    ]


def _line(name: str, source: Source | None, seen: Row, rejected: int) -> SourceLine:
    freshness = getattr(source, "freshness", None)
    return SourceLine(
        source_id=name,
        kind=source.kind if source else "-",
        description=source.description if source else "not declared in sources/",
        owner=source.owner if source else "nobody",
        contracts=seen.get("contracts") or "-",
        freshness=f"within {freshness.within}" if freshness else "-",
        received=seen.get("received", 0),
        last_week=seen.get("last_week", 0),
        rejected=rejected,
        last_seen=seen.get("last_seen"),
    )


def volumes(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Source → its last days of arrival: accepted, duplicate and rejected."""
    rows = _rows(
        connection,
        f"""
        select source_id, received_date, sum(accepted_count) as accepted,
            sum(duplicate_count) as duplicate, sum(rejected_count) as rejected
        from observability.obs_event_days
        where received_date > (select max(received_date) from observability.obs_event_days) - {DAYS}
        group by all order by source_id, received_date
        """,
    )
    return _by_source(rows)


def happened(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Source → its events by the day on which they happened."""
    rows = _rows(
        connection,
        f"""
        select source_id, cast(occurred_at as date) as received_date, count(*) as accepted
        from staging.int_distinct_events
        where occurred_at > (select max(occurred_at) from staging.int_distinct_events) - interval '{DAYS}' day
        group by all order by source_id, received_date
        """,
    )
    return _by_source(rows)


def _by_source(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["source_id"], []).append(row)
    return found


def coverage(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Source, event, property: how many of the last week's records have it, how many of those of the week before, types."""
    return _rows(
        connection,
        """
        with bounds as (select max(received_date) as last_date from observability.obs_property_days),
        weeks as (
            select days.*, received_date > last_date - 7 as is_last
            from observability.obs_property_days as days, bounds
            where received_date > last_date - 14 and not starts_with(property, 'identifiers.')
        ),
        records as (
            select source_id, event_name, is_last, sum(value_count) as records
            from weeks where value_type = 'record' group by all
        ),
        held as (
            select source_id, event_name, property, is_last, sum(value_count) as held,
                string_agg(distinct value_type, ', ' order by value_type) as types
            from weeks where value_type not in ('record', 'blank') group by all
        )
        select held.source_id, held.event_name, held.property,
            max(100.0 * held / records) filter (where is_last) as percent,
            max(100.0 * held / records) filter (where not is_last) as percent_before,
            max(types) filter (where is_last) as types
        from held inner join records using (source_id, event_name, is_last)
        group by all order by 1, 2, 3
        """,
    )


def rates(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The last day of each source and measure, beside what is usual."""
    return _rows(
        connection,
        """
        select source_id, measure, counted_date, percentage, past_percentage, total_count, is_breached
        from observability.obs_source_rates
        where event_name is null and source_id in (select source_id from observability.obs_event_days where event_name is not null)
        qualify row_number() over (partition by source_id, measure order by counted_date desc) = 1
        order by source_id, measure
        """,
    )


# What else does not add up, each a table of rows that can be looked at.
TABLES = (
    ("obs_event_conflicts", "events whose id came with other contents"),
    ("obs_order_arithmetic", "orders whose amounts contradict each other"),
    ("obs_order_currencies", "amounts in another currency than their order's"),
    ("obs_payment_without_order", "payments for orders nobody told of"),
    ("obs_refund_without_order", "refunds that wait for their purchase"),
    ("obs_effects_without_id", "order events without an order id"),
    ("obs_consent_rejects", "words of consent that nobody understands"),
)


def counts(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    """(table, what its rows are, how many)."""
    return [
        (
            table,
            meaning,
            connection.execute(
                f"select count(*) from observability.{table}"
            ).fetchall()[0][0],
        )
        for table, meaning in TABLES
    ]


def funnel(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Each trigger and journey, since the beginning."""
    return _rows(
        connection,
        """
        select entry_name, coalesce(journey, '-') as journey, sum(emitted_count) as emitted,
            sum(resolved_count) as resolved, sum(eligible_count) as eligible, sum(entered_count) as entered,
            sum(delivered_count) as delivered, max(emitted_date) as last_date
        from observability.obs_trigger_funnel group by all order by 1, 2
        """,
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
