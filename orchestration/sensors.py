"""What runs because something happened. A tick looks at the landing zone and the read copy, never at the warehouse.

Both sensors start switched off: what they start reaches other people's tools, so a person turns them on.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import duckdb

from ingestion.landing import Segment, read_tail, recover, sealed_segments
from ingestion.settings import Settings
from orchestration.assets.activation import delivery_segments
from orchestration.assets.layers import is_own_fact, publish_key
from orchestration.destinations.history import since_plan
from orchestration.instance import UNFINISHED, bury_if_alone
from orchestration.jobs import publish, refresh, refresh_config
from orchestration.resources import Platform
from orchestration.warehouse.schema import read_copy

# A destination that is down is asked again after this time, not at every tick. Valid: 1 minute and up.
PATIENCE = timedelta(minutes=10)
# Started again by the daemon when its process died; a failed step is a person's to look at.
AFTER_A_CRASH = {"dagster/max_retries": "2"}


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=30,
    description=(
        "Starts `refresh` when sealed segments wait that somebody else filled, or deliveries whose outcome is "
        "unknown and need a new plan. Other facts of our own wait for the next refresh."
    ),
)
def new_segments(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.RunRequest | dg.SkipReason:
    settings = platform.settings
    bury_if_alone(settings, context.instance)
    recover(settings.landing)
    news = [s for s in sealed_segments(settings.landing) if not is_own_fact(s.stream)]
    news += undecided_deliveries(settings, datetime.now(UTC))
    if not news:
        return dg.SkipReason("No sealed segment waits.")
    if _is_under_way(context.instance, "daily_refresh", "refresh"):
        return dg.SkipReason("A refresh is under way; what waits is for the next one.")
    minute = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0)
    return dg.RunRequest(
        run_key=_digest(segment.name for segment in news),
        run_config=refresh_config(minute.isoformat()),
        tags=AFTER_A_CRASH,
    )


@dg.sensor(
    job=publish,
    minimum_interval_seconds=30,
    description=(
        "Starts `publish` for the syncs whose plan in the read copy has changes that were not attempted yet, or "
        "that a destination could not take some minutes ago. Plans that a guard holds back wait for a person."
    ),
)
def new_changes(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.RunRequest | dg.SkipReason:
    settings = platform.settings
    if not settings.published.exists():
        return dg.SkipReason("There is no read copy yet.")
    bury_if_alone(settings, context.instance)
    if _is_under_way(context.instance, "daily_refresh", "publish"):
        return dg.SkipReason("Publishing is under way.")
    with read_copy(settings.published) as connection:
        waiting, seen = sendable_changes(connection), delivery_segments(connection)
    due = due_changes(settings.landing, waiting, seen, datetime.now(UTC))
    if not due:
        return dg.SkipReason("Every change of the plan was attempted.")
    return dg.RunRequest(
        run_key=_digest(mark for marks in due.values() for mark in marks),
        asset_selection=[publish_key(sync_name) for sync_name in sorted(due)],
        tags=AFTER_A_CRASH,
    )


def undecided_deliveries(settings: Settings, now: datetime) -> list[Segment]:
    """Sealed delivery segments with attempts that nobody knows the outcome of, once they have had time to get one."""
    waiting = sealed_segments(settings.landing, "deliveries")
    if not waiting:
        return []
    archived = {
        path.name.removesuffix(".ndjson.zst")
        for path in (settings.landing / "deliveries" / "archive").glob("*.ndjson.zst")
    }
    open_attempts: dict[str, str] = {}
    for row in read_tail(settings.landing, "deliveries", archived):
        if row["kind"] == "attempt" or row["outcome"] in ("unknown", "accepted"):
            open_attempts[row["attempt_id"]] = row["record_id"]
        else:
            open_attempts.pop(row["attempt_id"], None)
    newest = max(map(_landed_at, open_attempts.values()), default=None)
    if newest is None or now - newest < PATIENCE:
        return []
    return waiting


def sendable_changes(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, dict[str, str]]:
    """Sync → operation → recipient, of every change that no guard holds back."""
    waiting: dict[str, dict[str, str]] = {}
    for sync_name, op_id, key in connection.execute(
        "select sync_name, op_id, recipient_key from activation.activation_changes where not is_blocked"
    ).fetchall():
        waiting.setdefault(sync_name, {})[op_id] = key
    return waiting


def due_changes(
    landing: Path,
    waiting: dict[str, dict[str, str]],
    seen: frozenset[str],
    now: datetime,
) -> dict[str, list[str]]:
    """Sync → marks of what it should send now. A mark changes when the same change may be tried again."""
    due = {}
    for sync_name, changes in waiting.items():
        moved = since_plan(landing, sync_name, seen).moved
        sendable = [op_id for op_id, key in changes.items() if key not in moved]
        last = _last_delivery(landing, sync_name, seen)
        if sendable and (last is None or now - _landed_at(last) >= PATIENCE):
            due[sync_name] = [sync_name, last or "", *sendable]
    return due


def _last_delivery(landing: Path, sync_name: str, seen: frozenset[str]) -> str | None:
    """Record id of the newest delivery of the sync since the plan."""
    tail = read_tail(landing, "deliveries", set(seen))
    return max(
        (row["record_id"] for row in tail if row["sync_name"] == sync_name),
        default=None,
    )


def _landed_at(record_id: str) -> datetime:
    """A UUIDv7 begins with the millisecond in which it was made."""
    return datetime.fromtimestamp((UUID(record_id).int >> 80) / 1000, tz=UTC)


def _is_under_way(instance: dg.DagsterInstance, *jobs: str) -> bool:
    return any(
        instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=UNFINISHED))
        for job in jobs
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:32]


SENSORS = [new_segments, new_changes]
