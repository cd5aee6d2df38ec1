"""What runs because something happened. A tick looks at the landing zone and the read copy, never at the warehouse.

All start switched off: what they start reaches other people's tools, so a person turns them on.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from ingestion.landing import Segment, read_tail, recover, sealed_segments
from ingestion.settings import Settings
from orchestration.activation.alerts import look_and_tell
from orchestration.activation.metrics import write_metrics
from orchestration.activation.waking import PATIENCE, due_syncs, landed_at, waiting
from orchestration.assets.layers import is_own_fact, publish_key
from orchestration.instance import UNFINISHED, bury_if_alone
from orchestration.jobs import JOBS, publish, refresh, refresh_config
from orchestration.journeys.waiting import released
from orchestration.quality.runs import failures
from orchestration.resources import Platform
from orchestration.warehouse.schema import read_copy

# Started again by the daemon when its process died; a failed step is a person's to look at.
AFTER_A_CRASH = {"dagster/max_retries": "2"}


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=30,
    description=(
        "Starts `refresh` when sealed segments wait that somebody else filled, deliveries whose outcome is unknown "
        "and need a new plan, or people whose quiet hours have ended or whose turn to enter a journey has come. Other "
        "facts of our own wait for the next refresh."
    ),
)
def new_segments(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.RunRequest | dg.SkipReason:
    settings = platform.settings
    bury_if_alone(settings, context.instance)
    recover(settings.landing)
    news = [s for s in sealed_segments(settings.landing) if not is_own_fact(s.stream)]
    now = datetime.now(UTC)
    news += undecided_deliveries(settings, now)
    reasons = [segment.name for segment in news]
    reasons += released(settings, now.replace(tzinfo=None))
    if not reasons:
        return dg.SkipReason("No sealed segment waits, and nobody's turn has come.")
    if _is_under_way(context.instance, "daily_refresh", "refresh"):
        return dg.SkipReason("A refresh is under way; what waits is for the next one.")
    minute = now.replace(tzinfo=None, second=0, microsecond=0)
    return dg.RunRequest(
        run_key=_digest(reasons),
        run_config=refresh_config(minute.isoformat()),
        tags=AFTER_A_CRASH,
    )


@dg.sensor(
    job=publish,
    minimum_interval_seconds=30,
    description=(
        "Starts `publish` for the syncs whose plan in the read copy has changes that were not attempted yet, or "
        "whose destination may be tried again, and for those with a job at a destination that may have ended. Plans "
        "that a guard holds back wait for a person."
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
        wanted = waiting(connection)
    due = due_syncs(settings.landing, wanted, datetime.now(UTC))
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
        if row["kind"] == "attempt" or row["outcome"] == "unknown":
            open_attempts[row["attempt_id"]] = row["record_id"]
        else:
            open_attempts.pop(row["attempt_id"], None)
    newest = max(map(landed_at, open_attempts.values()), default=None)
    if newest is None or now - newest < PATIENCE:
        return []
    return waiting


def _is_under_way(instance: dg.DagsterInstance, *jobs: str) -> bool:
    return any(
        instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=UNFINISHED))
        for job in jobs
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:32]


@dg.sensor(
    minimum_interval_seconds=60,
    description=(
        "Tells people once when a guard holds a plan back, a destination refuses our credentials, an erasure is overdue, "
        "a backlog grows, a run or a check failed or a source is not as it was, and once when it is over. Where: whom "
        "MILLRACE_ALERTS names, else the log. Leaves the metrics of deliveries for the collector's /metrics."
    ),
)
def alerts(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    settings = platform.settings
    if not settings.published.exists():
        return dg.SkipReason("There is no read copy yet.")
    cursor, told = look_and_tell(
        settings,
        context.cursor,
        datetime.now(UTC),
        further=failures(context.instance, JOBS),
    )
    for sentence in told:
        context.log.warning(sentence)
    write_metrics(settings, datetime.now(UTC))
    return dg.SensorResult(cursor=cursor)


SENSORS = [new_segments, new_changes, alerts]
