"""A sync's plan as the read copy has it, with everything else that a run wants to know of the warehouse.

Only reading happens here. The copy is open for milliseconds and never while a destination is asked.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from orchestration.destinations.base import ActivationChange
from orchestration.destinations.delivery import plan_hash
from orchestration.destinations.history import Known, Pause, Pending
from orchestration.destinations.receipts import REPEATED
from orchestration.warehouse.ledger import newest_received
from orchestration.warehouse.schema import read_copy

# Plans of an older read copy are held back: refreshes fail, and with them what checks the data. Valid: 1 day and up.
OLDEST_COPY = timedelta(hours=36)
# So long without a single record from outside means that a door is broken, not that nothing happened. Valid: 1 day and up.
LONGEST_SILENCE = timedelta(days=7)
FROM_OUTSIDE = ("events", "profiles", "records")


@dataclass(frozen=True)
class Plan:
    """What the read copy wants sent for one sync, the delivery segments it was made with, and what it knew beside."""

    sync_name: str
    changes: list[ActivationChange]
    loaded_segments: frozenset[str]
    known: Known
    made_at: datetime

    @property
    def hash(self) -> str:
        return plan_hash(change.op_id for change in self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send and nothing to ask about."""
        return not self.changes and not self.known.pending


def read_plan(
    published: Path, sync_name: str, now: datetime | None = None, account: str = ""
) -> Plan:
    """The plan of one sync; with `account`, also how the account's last run ended."""
    now = now or datetime.now(UTC)
    with read_copy(published) as connection:
        known = known_by(connection, sync_name, account)
        return Plan(
            sync_name,
            planned_changes(connection, sync_name),
            delivery_segments(connection),
            replace(known, held_by=staleness(connection, published, now)),
            _made_at(published),
        )


def of_account(published: Path, plan: Plan, account: str) -> Plan:
    """The same plan, knowing how the account's last run ended."""
    with read_copy(published) as connection:
        known = _with_account(connection, plan.known, account)
    return replace(plan, known=known)


def delivery_segments(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The delivery segments that the plans of this copy have seen."""
    found = connection.execute(
        "select segment from raw.loads where stream = 'deliveries'"
    )
    return frozenset(name for (name,) in found.fetchall())


def _made_at(published: Path) -> datetime:
    return datetime.fromtimestamp(published.stat().st_mtime, UTC)


def planned_changes(
    connection: duckdb.DuckDBPyConnection, sync_name: str
) -> list[ActivationChange]:
    """The sync's rows of activation_changes."""
    columns = list(ActivationChange.model_fields)
    rows = connection.execute(
        f"select {', '.join(columns)} from activation.activation_changes where sync_name = ? order by op_id",
        [sync_name],
    ).fetchall()
    return [
        ActivationChange.model_validate(dict(zip(columns, row, strict=True)))
        for row in rows
    ]


def known_by(
    connection: duckdb.DuckDBPyConnection, sync_name: str, account: str
) -> Known:
    """What a warehouse knows of a sync and its account beside the plan."""
    ((ran_at,),) = connection.execute(
        """select max("at") from raw.deliveries where kind = 'run' and sync_name = ?""",
        [sync_name],
    ).fetchall()
    known = Known(
        ran_at=ran_at and _utc(ran_at),
        pending=_pending(connection, sync_name),
        approvals=_approvals(connection, sync_name),
        accounts=_accounts(connection, sync_name),
    )
    return _with_account(connection, known, account)


def _pending(
    connection: duckdb.DuckDBPyConnection, sync_name: str
) -> dict[str, Pending]:
    """Attempts that were accepted as part of a job and not settled yet."""
    columns = ("attempt_id", "job", "settled_at", *REPEATED)
    rows = connection.execute(
        f"""
        select {", ".join(columns)} from activation.fct_sync_attempts
        where outcome = 'accepted' and job is not null and attempt_id in (
            select attempt_id from raw.deliveries
            where sync_name = ? and kind = 'outcome' and outcome = 'accepted'
        )
        """,
        [sync_name],
    ).fetchall()
    return {
        attempt_id: Pending(job, _utc(at), dict(zip(REPEATED, fields, strict=True)))
        for attempt_id, job, at, *fields in rows
    }


def _approvals(connection: duckdb.DuckDBPyConnection, sync_name: str) -> frozenset[str]:
    rows = connection.execute(
        "select op_id from raw.deliveries where kind = 'approval' and sync_name = ?",
        [sync_name],
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _accounts(connection: duckdb.DuckDBPyConnection, sync_name: str) -> frozenset[str]:
    """Where the sync put anybody who may still be there."""
    rows = connection.execute(
        """
        select distinct account from activation.int_sync_delivered
        where sync_name = ? and is_present and account is not null
        """,
        [sync_name],
    ).fetchall()
    return frozenset(account for (account,) in rows)


def _with_account(
    connection: duckdb.DuckDBPyConnection, known: Known, account: str
) -> Known:
    """How the account's last run ended, and when it was last asked."""
    ((asked_at,),) = connection.execute(
        'select max("at") from raw.deliveries where account = ?', [account]
    ).fetchall()
    runs = connection.execute(
        """
        select "at", not_before from raw.deliveries
        where kind = 'run' and account = ?
        order by "at" desc, record_id desc limit 1
        """,
        [account],
    ).fetchall()
    pauses = [Pause(_utc(at), until and _utc(until)) for at, until in runs]
    return replace(
        known,
        asked_at=asked_at and _utc(asked_at),
        pause=pauses[0] if pauses else None,
    )


def staleness(
    connection: duckdb.DuckDBPyConnection, published: Path, now: datetime
) -> str | None:
    """The guard that holds everything back because the plan rests on old news. What cannot be judged is held."""
    if now - _made_at(published) > OLDEST_COPY:
        return "stale_plan"
    newest = [newest_received(connection, stream) for stream in FROM_OUTSIDE]
    heard = max((at for at in newest if at is not None), default=None)
    if heard is None or now - _utc(heard) > LONGEST_SILENCE:
        return "stale_upstream"
    return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
