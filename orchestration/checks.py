"""Checks that belong to no single op: do the sources still talk to us?

dbt's tests are checks by themselves, the loader's balance is in assets/warehouse.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from ingestion.connectors import EventSource, Source
from orchestration.assets.layers import PUBLISHED, landing_key
from orchestration.resources import Platform
from orchestration.warehouse.ledger import last_received
from orchestration.warehouse.schema import read_copy

# A shop that is open every day is silent for no longer than a night and a holiday. Valid: 1 hour and up.
SILENCE = timedelta(hours=48)


def source_checks(sources: list[Source]) -> list[dg.AssetChecksDefinition]:
    """One check per event source: it has sent something, and lately. Extracts check themselves when pulled."""
    watched = [s.source_id for s in sources if isinstance(s, EventSource)]
    if not watched:
        return []

    @dg.multi_asset_check(
        name="event_sources_are_alive",
        specs=[
            dg.AssetCheckSpec(
                "is_alive",
                asset=landing_key(source_id),
                additional_deps=[PUBLISHED],
                description="The source has sent events, the last of them not long ago.",
            )
            for source_id in watched
        ],
    )
    def event_sources_are_alive(platform: Platform) -> Iterator[dg.AssetCheckResult]:
        with read_copy(platform.settings.published) as connection:
            heard = last_received(connection, "events")
        now = datetime.now(UTC).replace(tzinfo=None)
        for source_id in watched:
            yield _alive(source_id, heard.get(source_id), now)

    return [event_sources_are_alive]


def _alive(source_id: str, last: datetime | None, now: datetime) -> dg.AssetCheckResult:
    problem = None
    if last is None:
        problem = f"{source_id} has never sent an event: does it have a key, is the collector running?"
    elif now - last > SILENCE:
        problem = f"{source_id} has been silent since {last:%Y-%m-%d %H:%M} UTC."
    return dg.AssetCheckResult(
        asset_key=landing_key(source_id),
        check_name="is_alive",
        passed=problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem,
        metadata={"last_received": last.isoformat() if last else "never"},
    )
