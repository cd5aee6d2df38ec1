"""`python -m orchestration.activation.metrics`: what became of deliveries, in Prometheus' words, for /metrics of the collector.

The collector knows no warehouse, so whoever looks (the sensor `alerts`, this command) leaves a file beside the read
copy. Names and labels are an interface: dashboards use them.
"""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import prometheus_client as prometheus

from ingestion.collector.metrics import deliveries_file
from ingestion.landing import read_tail
from ingestion.settings import Settings, settings
from orchestration.activation.waking import due_recipients, waiting
from orchestration.warehouse.schema import read_copy

LABELS = {
    "millrace_deliveries": (
        "Attempts by what is known of them: delivered, accepted, rejected, retry, unknown"
    ),
    "millrace_delivery_waiting": "Recipients of whom the plan wants what nobody attempted",
    "millrace_delivery_lag_seconds": "For how long the plan has been wanting it; 0 when nobody waits",
    "millrace_delivery_last_success_timestamp_seconds": "When anything was last delivered",
}


def write_metrics(configured: Settings, now: datetime) -> Path:
    """Replace the file; a reader sees the old one or the new one."""
    file = deliveries_file(configured.published)
    draft = file.with_suffix(".draft")
    draft.write_bytes(delivery_metrics(configured, now))
    draft.replace(file)
    return file


def delivery_metrics(configured: Settings, now: datetime) -> bytes:
    registry = prometheus.CollectorRegistry()
    with read_copy(configured.published) as connection:
        wanted = waiting(connection)
        outcomes, last = _landed(connection)
    tail = list(read_tail(configured.landing, "deliveries", set(wanted.seen)))
    _add_tail(tail, outcomes, last)
    made = datetime.fromtimestamp(configured.published.stat().st_mtime, UTC)
    gauges = {
        name: prometheus.Gauge(
            name,
            about,
            ("sync", "outcome") if name == "millrace_deliveries" else ("sync",),
            registry=registry,
        )
        for name, about in LABELS.items()
    }
    for (sync, outcome), count in outcomes.items():
        gauges["millrace_deliveries"].labels(sync, outcome).set(count)
    for sync in sorted({sync for sync, _ in outcomes} | set(wanted.changes)):
        due = len(due_recipients(wanted, sync, tail))
        lag = max(0.0, (now - made).total_seconds()) if due else 0.0
        gauges["millrace_delivery_waiting"].labels(sync).set(due)
        gauges["millrace_delivery_lag_seconds"].labels(sync).set(lag)
    for sync, moment in last.items():
        gauges["millrace_delivery_last_success_timestamp_seconds"].labels(sync).set(
            moment.timestamp()
        )
    return prometheus.generate_latest(registry)


def _landed(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Counter[tuple[str, str]], dict[str, datetime]]:
    """Attempts by sync and outcome, and when the last one of a sync was delivered, as the read copy knows them."""
    rows = connection.execute(
        """
        select sync_name, outcome, count(*), max(settled_at)
        from activation.fct_sync_attempts group by all
        """
    ).fetchall()
    counts = Counter({(sync, outcome): n for sync, outcome, n, _ in rows})
    last = {
        sync: moment.replace(tzinfo=UTC)
        for sync, outcome, _, moment in rows
        if outcome == "delivered"
    }
    return counts, last


def _add_tail(
    tail: list[dict[str, Any]],
    outcomes: Counter[tuple[str, str]],
    last: dict[str, datetime],
) -> None:
    """What was landed since. An attempt without an outcome is unknown, until one comes."""
    answers = {row["attempt_id"]: row for row in tail if row["kind"] == "outcome"}
    for row in tail:
        if row["kind"] == "attempt":
            outcomes[row["sync_name"], "unknown"] += 1
    for row in answers.values():
        sync = row["sync_name"]
        outcomes[sync, "unknown"] -= 1
        outcomes[sync, row["outcome"]] += 1
        if row["outcome"] == "delivered":
            at = datetime.fromisoformat(row["at"])
            last[sync] = max(at, last.get(sync, at))


def main() -> int:
    configured = settings()
    if not configured.published.exists():
        print("There is no read copy yet: run the job `refresh`.", file=sys.stderr)
        return 1
    print(write_metrics(configured, datetime.now(UTC)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
