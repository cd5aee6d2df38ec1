"""What a run knows beside its plan: what the plan's warehouse had seen, and what was landed since.

Belongs here: reading the landing zone's tail. What deliveries mean for the next plan is SQL (int_sync_delivered).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.landing import read_tail

# Outcomes after which an event trigger is not sent again.
SETTLED = ("delivered", "accepted", "rejected")


@dataclass(frozen=True)
class Pending:
    """An attempt that is part of an asynchronous job: everything its outcome must repeat."""

    job: str
    accepted_at: datetime
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Pause:
    """How the last run of an account ended: when, and when the next one may begin."""

    ended_at: datetime
    not_before: datetime | None = None

    @property
    def seconds(self) -> float:
        if self.not_before is None:
            return 0.0
        return max(0.0, (self.not_before - self.ended_at).total_seconds())


@dataclass(frozen=True)
class Known:
    """What the warehouse knew when the plan was made: of the sync, its jobs and approved plans; of its account, how
    the last run ended and when it was last asked. `ran_at` is when the sync's own last run ended. `accounts` are where the
    sync put anybody who may still be there. `held_by` names a guard that holds the whole plan back."""

    pending: Mapping[str, Pending] = field(default_factory=dict)
    approvals: frozenset[str] = frozenset()
    pause: Pause | None = None
    asked_at: datetime | None = None
    ran_at: datetime | None = None
    accounts: frozenset[str] = frozenset()
    held_by: str | None = None


NOTHING = Known()


@dataclass(frozen=True)
class History:
    """What was landed about a sync since its plan, added to what the plan knew.

    `moved` are recipients whose delivered state the plan no longer knows, `told` triggers that need no repeating.
    `is_finished`: a run has worked the plan through.
    """

    moved: frozenset[str]
    told: frozenset[str]
    is_finished: bool
    known: Known


def since_plan(
    landing_root: Path,
    sync_name: str,
    loaded_segments: Collection[str],
    account: str = "",
    known: Known = NOTHING,
) -> History:
    """Read the tail: every delivery of the sync, and of its account, in a segment the plan had not seen."""
    tail = list(read_tail(landing_root, "deliveries", set(loaded_segments)))
    own = [row for row in tail if row["sync_name"] == sync_name]
    moving = _moving(own)
    same = [row for row in tail if row.get("account") == account] if account else []
    return History(
        moved=frozenset(row["recipient_key"] for row in moving),
        told=frozenset(
            row["op_id"]
            for row in own
            if row["action"] == "trigger" and row["outcome"] in SETTLED
        ),
        is_finished=any(
            row["kind"] == "run" and row["outcome"] == "delivered" for row in own
        ),
        known=replace(
            known,
            pending=_pending(known.pending, own),
            approvals=known.approvals
            | {row["op_id"] for row in own if row["kind"] == "approval"},
            accounts=known.accounts | _places(moving),
            pause=_pause(known.pause, same),
            asked_at=_latest(known.asked_at, same),
            ran_at=_latest(known.ran_at, [row for row in own if row["kind"] == "run"]),
        ),
    )


def _moving(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row of each attempt that may have changed something, or whose outcome came late."""
    attempts: dict[str, dict[str, Any]] = {}
    unchanged: set[str] = set()
    for row in rows:
        attempt = row["attempt_id"]
        if row["kind"] == "outcome" and row["outcome"] == "retry":
            unchanged.add(attempt)
        elif row["kind"] in ("attempt", "outcome"):
            # An outcome whose attempt the plan did see as unknown: the state moved all the same.
            attempts[attempt] = row
    return [row for attempt, row in attempts.items() if attempt not in unchanged]


def _places(rows: Iterable[dict[str, Any]]) -> set[str]:
    """Where people were put. What was triggered stays nowhere."""
    return {
        row["account"] for row in rows if row["account"] and row["action"] != "trigger"
    }


def _pending(
    known: Mapping[str, Pending], rows: Iterable[dict[str, Any]]
) -> dict[str, Pending]:
    pending = dict(known)
    for row in rows:
        if row["kind"] != "outcome":
            continue
        pending.pop(row["attempt_id"], None)
        if row["outcome"] == "accepted" and row["job"]:
            at = datetime.fromisoformat(row["at"])
            pending[row["attempt_id"]] = Pending(row["job"], at, row)
    return pending


def _pause(known: Pause | None, rows: Iterable[dict[str, Any]]) -> Pause | None:
    ends = [
        Pause(
            datetime.fromisoformat(row["at"]),
            datetime.fromisoformat(row["not_before"]) if row["not_before"] else None,
        )
        for row in rows
        if row["kind"] == "run"
    ]
    return max([*ends, *([known] if known else [])], key=_ended_at, default=None)


def _ended_at(pause: Pause) -> datetime:
    return pause.ended_at


def _latest(known: datetime | None, rows: Iterable[dict[str, Any]]) -> datetime | None:
    times = [datetime.fromisoformat(row["at"]) for row in rows]
    return max([*times, *([known] if known else [])], default=None)
