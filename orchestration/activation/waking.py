"""Which syncs have something to do now: changes that were not attempted, or that may be tried again, and jobs to ask about.

Pure reading of the read copy and of what was landed since; sensors ask here and start runs.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from ingestion.landing import read_tail
from orchestration.activation.plans import delivery_segments
from orchestration.destinations.delivery import plan_hash
from orchestration.destinations.history import SETTLED
from orchestration.destinations.waiting import CREDIBLE, is_poll_due

# A run that ended without a word is tried again after this time. A job is asked about at this age, and each time that it
# has doubled. Valid: 1 minute and up.
PATIENCE = timedelta(minutes=10)


Jobs = dict[str, datetime]
"""Jobs of a sync that were accepted and not settled, and since when."""


@dataclass(frozen=True)
class Waiting:
    """What the read copy wants of the syncs, and how their last runs ended.

    `changes`: sync → operation → recipient, of what no guard holds back; a trigger stands for itself. `approved` are
    the syncs whose plan somebody let pass, and `ran` says when each last ended a run.
    """

    changes: dict[str, dict[str, str]]
    seen: frozenset[str]
    approved: frozenset[str] = frozenset()
    jobs: dict[str, Jobs] = field(default_factory=dict)
    pauses: dict[str, datetime] = field(default_factory=dict)
    ran: dict[str, datetime] = field(default_factory=dict)


def waiting(connection: duckdb.DuckDBPyConnection) -> Waiting:
    """Read it from a read copy."""
    rows = connection.execute(
        """
        select
            sync_name, op_id, is_blocked,
            case when action = 'trigger' then op_id else recipient_key end
        from activation.activation_changes
        """
    ).fetchall()
    hashes = _approved(connection)
    held: dict[str, list[tuple[str, str]]] = {}
    changes: dict[str, dict[str, str]] = {}
    every: dict[str, list[str]] = {}
    for sync_name, op_id, is_blocked, key in rows:
        every.setdefault(sync_name, []).append(op_id)
        if is_blocked:
            held.setdefault(sync_name, []).append((op_id, key))
        else:
            changes.setdefault(sync_name, {})[op_id] = key
    approved = {name for name in held if plan_hash(every[name]) in hashes}
    for sync_name in approved:
        changes.setdefault(sync_name, {}).update(held[sync_name])
    return Waiting(
        changes,
        delivery_segments(connection),
        frozenset(approved),
        _jobs(connection),
        _pauses(connection),
        _ran(connection),
    )


def due_recipients(
    wanted: Waiting, sync_name: str, tail: list[dict[str, Any]]
) -> set[str]:
    """Whom the plan wants something of that was not attempted since."""
    rows = [row for row in tail if row["sync_name"] == sync_name]
    return set(wanted.changes.get(sync_name, {}).values()) - _moved(rows)


def due_syncs(landing: Path, wanted: Waiting, now: datetime) -> dict[str, list[str]]:
    """Sync → marks of what it should do now. Marks change when the same thing may be tried again."""
    tail = list(read_tail(landing, "deliveries", set(wanted.seen)))
    due = {}
    for sync_name in sorted({*wanted.changes, *wanted.jobs, *_syncs(tail)}):
        rows = [row for row in tail if row["sync_name"] == sync_name]
        moved = _moved(rows)
        changes = wanted.changes.get(sync_name, {})
        todo = [op_id for op_id, key in changes.items() if key not in moved]
        last = max(rows, key=lambda row: str(row["record_id"]), default=None)
        before = (
            datetime.fromisoformat(last["at"]) if last else wanted.ran.get(sync_name)
        )
        jobs = _open_jobs(wanted.jobs.get(sync_name, {}), rows)
        asked = any(is_poll_due(at, PATIENCE, before, now) for at in jobs.values())
        if not todo and not asked:
            continue
        if _may_begin(last, wanted.pauses.get(sync_name), bool(todo), now):
            turn = str(int(now.timestamp() // PATIENCE.total_seconds()))
            mark = last["record_id"] if last else ""
            due[sync_name] = [sync_name, turn, mark, *sorted(jobs), *todo]
    return due


def _may_begin(
    last: dict[str, Any] | None, pause: datetime | None, is_new: bool, now: datetime
) -> bool:
    """Whether the last run's pause is over; one that died without a word, or only waits for a job, has patience."""
    if last is None:
        return pause is None or not now < pause <= now + CREDIBLE
    if last["kind"] == "run" and last["not_before"]:
        until = datetime.fromisoformat(last["not_before"])
        return not now < until <= now + CREDIBLE
    if last["kind"] in ("run", "approval") and is_new:
        return True
    return now - datetime.fromisoformat(last["at"]) >= PATIENCE


def landed_at(record_id: str) -> datetime:
    """A UUIDv7 begins with the millisecond in which it was made."""
    return datetime.fromtimestamp((UUID(record_id).int >> 80) / 1000, tz=UTC)


def _syncs(tail: list[dict[str, Any]]) -> set[str]:
    return {row["sync_name"] for row in tail if row["job"]}


def _moved(rows: list[dict[str, Any]]) -> set[str]:
    """Recipients attempted since the plan, unless certainly in vain; and triggers that are settled."""
    moved: dict[str, str] = {}
    for row in rows:
        if row["action"] == "trigger":
            if row["outcome"] in SETTLED:
                moved[row["attempt_id"]] = row["op_id"]
        elif row["outcome"] == "retry":
            moved.pop(row["attempt_id"], None)
        elif row["kind"] in ("attempt", "outcome"):
            moved[row["attempt_id"]] = row["recipient_key"]
    return set(moved.values())


def _open_jobs(known: Jobs, rows: list[dict[str, Any]]) -> Jobs:
    """Jobs that were accepted and of which nothing else was heard."""
    jobs = dict(known)
    for row in rows:
        if row["kind"] == "outcome" and row["job"]:
            jobs.pop(row["job"], None)
            if row["outcome"] == "accepted":
                jobs[row["job"]] = datetime.fromisoformat(row["at"])
    return jobs


def _approved(connection: duckdb.DuckDBPyConnection) -> set[str]:
    found = connection.execute(
        "select op_id from raw.deliveries where kind = 'approval'"
    )
    return {name for (name,) in found.fetchall()}


def _jobs(connection: duckdb.DuckDBPyConnection) -> dict[str, Jobs]:
    rows = connection.execute(
        """
        select sync_name, job, min(settled_at) from activation.fct_sync_attempts
        where outcome = 'accepted' and job is not null
        group by sync_name, job
        """
    ).fetchall()
    jobs: dict[str, Jobs] = {}
    for sync_name, job, at in rows:
        jobs.setdefault(sync_name, {})[job] = at.replace(tzinfo=UTC)
    return jobs


def _ran(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    rows = connection.execute(
        """select sync_name, max("at") from raw.deliveries where kind = 'run' group by sync_name"""
    ).fetchall()
    return {sync_name: at.replace(tzinfo=UTC) for sync_name, at in rows}


def _pauses(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """When each sync's account may be asked again, by the account's last run."""
    rows = connection.execute(
        """
        with runs as (
            select
                sync_name, account, not_before,
                row_number() over (partition by account order by "at" desc, record_id desc) as account_place,
                row_number() over (partition by sync_name order by "at" desc, record_id desc) as sync_place
            from raw.deliveries
            where kind = 'run'
        )

        select asked.sync_name, latest.not_before
        from runs as asked
        inner join runs as latest
            on asked.account = latest.account and latest.account_place = 1
        where asked.sync_place = 1 and latest.not_before is not null
        """
    ).fetchall()
    return {sync_name: until.replace(tzinfo=UTC) for sync_name, until in rows}
