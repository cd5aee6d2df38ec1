"""What goes out: one asset per sync of the seed syncs. It reads the published copy and never the warehouse.

What to send is SQL (activation_changes), how to send it orchestration.activation and orchestration.destinations.
"""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from orchestration.activation.publishing import send
from orchestration.assets.layers import PUBLISHED, publish_key
from orchestration.destinations.base import Sync
from orchestration.destinations.summary import DeliverySummary
from orchestration.pictures import bars
from orchestration.resources import Platform


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
            "outcomes are unknown. If a guard holds the plan back, look at it with "
            f"`python -m orchestration.activation plan {sync.sync_name}` and approve it, or remove the cause."
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
        if summary.stopped and not summary.goes_on:
            raise dg.Failure(
                f"{summary.sentence()}. What was not sent waits for the next run.",
                metadata=metadata,
                allow_retries=False,
            )
        yield dg.MaterializeResult(metadata=metadata, check_results=[_check(summary)])

    return published


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
        delivered=0,
        held=summary.held.total(),
        overtaken=summary.overtaken,
        put_off=summary.put_off,
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
        passed=not short and not summary.waits_until,
        severity=dg.AssetCheckSeverity.WARN,
        description=summary.sentence() if short or summary.waits_until else None,
    )
