"""Who waits in the read copy for a time of day, or for their turn, and whether that has come.

Only reading happens here; deciding is SQL (dbt_project/models/journeys).
"""

from datetime import datetime, timedelta

import duckdb

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.warehouse.schema import read_copy

# The relay looks more often than that, so whoever still waits then waits for a refresh. Valid: 1 minute and up.
PATIENCE = timedelta(minutes=5)
# A journey lets so many in per hour, and one occasion of a person at a time.
NEXT_TURN = timedelta(hours=1)

# What the recipient's clock shows, in minutes, and whether that is within their quiet hours.
_MINUTE = """(
    extract(hour from timezone(time_zone, timezone('UTC', {at})))
    * 60 + extract(minute from timezone(time_zone, timezone('UTC', {at})))
)"""
_QUIET = f"""coalesce(
    case when quiet_from_minute < quiet_until_minute
        then {_MINUTE} >= quiet_from_minute and {_MINUTE} < quiet_until_minute
        else {_MINUTE} >= quiet_from_minute or {_MINUTE} < quiet_until_minute
    end,
    false
)"""


def quiet_operations(connection: duckdb.DuckDBPyConnection, now: datetime) -> set[str]:
    """The operations whose recipient is to be left in peace at `now` (naive UTC)."""
    rows = connection.execute(
        "select sha256(journey || '|' || instance_key || '|' || recipient_key)"
        f" from journeys.int_journey_checks where recipient_key is not null and {_QUIET.format(at='$now')}",
        {"now": now},
    )
    return {op_id for (op_id,) in rows.fetchall()}


def released(settings: Settings, now: datetime) -> list[str]:
    """Candidates whose night or wait is over at `now` (naive UTC), and about whom nothing was decided since."""
    if not settings.published.exists():
        return []
    with read_copy(settings.published) as connection:
        # A copy that was made before there were journeys in it knows of nobody who waits.
        if not connection.execute(_HAS_JOURNEYS).fetchall():
            return []
        rows = connection.execute(
            _WAITING,
            {"now": now, "lately": now - PATIENCE, "an_hour_ago": now - NEXT_TURN},
        ).fetchall()
        seen = connection.execute(
            "select segment from raw.loads where stream = 'journey_decisions'"
        ).fetchall()
    if not rows:
        return []
    tail = read_tail(settings.landing, "journey_decisions", {name for (name,) in seen})
    decided = {
        (row["journey"], row["candidate_id"])
        for row in tail
        if row["outcome"] not in ("held_quiet_hours", "held_pacing")
    }
    return [
        f"{journey} {candidate} {as_of}"
        for journey, candidate, as_of in rows
        if (journey, candidate) not in decided
    ]


_HAS_JOURNEYS = """
    select 1 from duckdb_columns()
    where table_name = 'int_journey_checks' and column_name = 'time_zone'
"""
_WAITING = f"""
    select journey, candidate_id, checks.looked_at
    from journeys.int_journey_checks as checks
    inner join journeys.fct_journey_decisions as decisions using (journey, candidate_id)
    where
        decisions.is_latest
        and checks.looked_at <= $lately
        and (
            decisions.outcome = 'held_quiet_hours'
            and not {_QUIET.format(at="$now")}
            and not {_QUIET.format(at="$lately")}
            or decisions.outcome = 'held_pacing'
            and checks.looked_at <= $an_hour_ago
        )
    order by all
"""
