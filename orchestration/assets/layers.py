"""What all assets share: keys of the hinges between layers, owners, freshness, and the logical time of a run."""

import re
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from ingestion.contracts import STREAMS
from ingestion.contracts.base import OwnFact
from orchestration.logical_time import parse_as_of

PUBLISHED = dg.AssetKey(["published", "warehouse"])

# Everything is refreshed once a day; a day and a half without news means that a run failed and nobody looked.
FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
)
DEFAULT_OWNER = "team:data"
LAYER_OWNERS = {
    "audiences": "team:marketing",
    "activation": "team:marketing",
    "publish": "team:marketing",
}


class Refresh(dg.Config):
    """Run configuration of a refresh."""

    as_of: str | None = Field(
        default=None,
        description=(
            "Logical time of the refresh, UTC, such as 2026-01-31T00:00:00. The same time over the same landed "
            "records gives the same tables. Left out: the minute in which the run was created."
        ),
    )


def landing_key(source_id: str) -> dg.AssetKey:
    return dg.AssetKey(["landing", source_id])


def raw_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["raw", table])


def fact_key(stream: str) -> dg.AssetKey:
    return dg.AssetKey(["facts", stream])


def publish_key(sync_name: str) -> dg.AssetKey:
    return dg.AssetKey(["publish", sync_name])


def is_own_fact(stream: str) -> bool:
    """Whether we write the stream ourselves, so that it alone is no reason to refresh."""
    return stream in STREAMS and issubclass(STREAMS[stream], OwnFact)


def owner(name: str) -> str:
    """Dagster's form of an owner: an e-mail address as it is, anything else as a team."""
    if "@" in name or name.startswith("team:"):
        return name
    return "team:" + re.sub(r"[^a-zA-Z0-9_-]+", "-", name.strip()).strip("-").lower()


def with_defaults(spec: dg.AssetSpec) -> dg.AssetSpec:
    """One freshness policy over everything, and an owner for whatever does not name its own."""
    owners = spec.owners or [LAYER_OWNERS.get(spec.group_name or "", DEFAULT_OWNER)]
    return spec.replace_attributes(
        owners=owners, freshness_policy=spec.freshness_policy or FRESHNESS
    )


def logical_time(context: dg.AssetExecutionContext, config: Refresh) -> datetime:
    """The run's `as_of` as naive UTC: as configured, else the minute in which the run was created."""
    if config.as_of:
        return parse_as_of(config.as_of)
    record = context.instance.get_run_record_by_id(context.run_id)
    created = record.create_timestamp if record else datetime.now(UTC)
    return created.astimezone(UTC).replace(tzinfo=None, second=0, microsecond=0)
