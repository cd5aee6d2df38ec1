"""What goes out: one asset per sync of the seed syncs. It reads the published copy and never the warehouse.

What to send is SQL (activation_changes), how to send it orchestration.destinations.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb

from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.assets.layers import PUBLISHED, publish_key
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.register import load_destinations
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.syncs import load_syncs
from orchestration.pictures import bars
from orchestration.resources import Platform
from orchestration.warehouse.schema import read_copy


@dataclass(frozen=True)
class Plan:
    """What the read copy wants sent for one sync, and the delivery segments it was made with."""

    changes: list[ActivationChange]
    loaded_segments: frozenset[str]


def read_plan(published: Path, sync_name: str) -> Plan:
    """The plan of one sync."""
    columns = list(ActivationChange.model_fields)
    with read_copy(published) as connection:
        rows = connection.execute(
            f"select {', '.join(columns)} from activation.activation_changes where sync_name = ? order by op_id",
            [sync_name],
        ).fetchall()
        segments = delivery_segments(connection)
    changes = [
        ActivationChange.model_validate(dict(zip(columns, row, strict=True)))
        for row in rows
    ]
    return Plan(changes, segments)


def delivery_segments(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The delivery segments that the plans of this copy have seen."""
    found = connection.execute(
        "select segment from raw.loads where stream = 'deliveries'"
    )
    return frozenset(name for (name,) in found.fetchall())


def declared_syncs(settings: Settings) -> list[Sync]:
    return load_syncs(settings.dbt_project_dir / "seeds" / "syncs.csv")


def publish_asset(sync: Sync) -> dg.AssetsDefinition:
    """The asset that brings one destination to the state the plan wants."""
    key = publish_key(sync.sync_name)

    @dg.asset(
        key=key,
        deps=[PUBLISHED],
        group_name="publish",
        kinds={sync.destination},
        tags={"purpose": sync.purpose, "destination": sync.destination},
        description=(
            f"{sync.description}\n\nAudience {sync.audience_name} → {sync.destination}, as {sync.recipient_type}, "
            f"purpose {sync.purpose}. If it fails: nothing is half done, every attempt and outcome is on record "
            "(raw/deliveries). Remove the cause the message names, then run the job `publish`; run `refresh` first if "
            "outcomes are unknown. If a guard holds the plan back, look at activation/activation_guards."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "delivered_in_full",
                asset=key,
                description="No change was held back, refused, left unknown or put off.",
            )
        ],
    )
    def published(platform: Platform) -> Iterator[dg.MaterializeResult[None]]:
        summary = send(sync, platform.settings)
        metadata = _metadata(summary)
        if summary.stopped:
            raise dg.Failure(
                f"{summary.sentence()}. What was not sent waits for the next run.",
                metadata=metadata,
                allow_retries=False,
            )
        yield dg.MaterializeResult(metadata=metadata, check_results=[_check(summary)])

    return published


def send(sync: Sync, settings: Settings) -> DeliverySummary:
    """Deliver the published plan of one sync. A sync with nothing to send needs no destination."""
    plan = read_plan(settings.published, sync.sync_name)
    if not plan.changes:
        return DeliverySummary(sync.sync_name, planned=0)
    name = sync.destination
    destination = load_destinations(
        settings.destinations_file, [name], settings.outbox
    )[name]
    try:
        with LandingWriter(settings.landing) as writer:
            return deliver(
                sync,
                destination,
                plan.changes,
                writer,
                settings.landing,
                plan.loaded_segments,
            )
    finally:
        destination.close()


def _metadata(summary: DeliverySummary) -> dict[str, dg.MetadataValue]:
    outcomes = {f"{action} {kind}": n for (action, kind), n in summary.outcomes.items()}
    outcomes |= {f"held by {guard}": n for guard, n in summary.held.items()}
    metadata: dict[str, dg.MetadataValue] = {
        "summary": dg.MetadataValue.text(summary.sentence()),
        "planned": dg.MetadataValue.int(summary.planned),
        "requests": dg.MetadataValue.int(summary.requests),
    }
    for kind, n in _by_kind(summary).items():
        metadata[kind] = dg.MetadataValue.int(n)
    if outcomes:
        metadata["outcomes"] = bars(f"{summary.sync_name}: this run", outcomes)
    return metadata


def _by_kind(summary: DeliverySummary) -> Counter[str]:
    kinds: Counter[str] = Counter(
        delivered=0, held=summary.held.total(), overtaken=summary.overtaken
    )
    for (_, kind), n in summary.outcomes.items():
        kinds[kind] += n
    return kinds


def _check(summary: DeliverySummary) -> dg.AssetCheckResult:
    short = {
        k: n
        for k, n in _by_kind(summary).items()
        if n and k not in ("delivered", "overtaken")
    }
    return dg.AssetCheckResult(
        check_name="delivered_in_full",
        passed=not short,
        severity=dg.AssetCheckSeverity.WARN,
        description=summary.sentence() if short else None,
    )
