"""A trigger goes out only while the last decision that was landed about it says so, and by day where the recipient is.

The plan was made before its refresh landed its decisions; the relay may have decided otherwise in between, and a
destination that failed by day may be back at night.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange
from orchestration.journeys.waiting import quiet_operations
from orchestration.warehouse.schema import read_copy

# The occasion was told under another candidate, with the same operation.
BESIDE = ("reentry_blocked", "duplicate_recipient")


def may_go_out(
    changes: Iterable[ActivationChange], settings: Settings, now: datetime
) -> list[ActivationChange]:
    """The changes without triggers that a decision took back which the plan had not seen, or whose recipient sleeps now."""
    with read_copy(settings.published) as connection:
        seen = connection.execute(
            "select segment from raw.loads where stream = 'journey_decisions'"
        ).fetchall()
        asleep = quiet_operations(connection, now)
    loaded = {name for (name,) in seen}
    # Segments are written side by side; only the record ids say what came last.
    tail = read_tail(settings.landing, "journey_decisions", loaded)
    ordered = sorted(tail, key=lambda row: str(row["record_id"]))
    last = {(row["journey"], row["candidate_id"]): row for row in ordered}
    entered = {op_id_of(r) for r in last.values() if r["outcome"] == "entered"}
    others = {op_id_of(r) for r in last.values() if r["outcome"] not in BESIDE}
    kept_back = (others - entered) | asleep
    return [change for change in changes if change.op_id not in kept_back]


def op_id_of(decision: dict[str, str]) -> str:
    """The operation of an entry, as int_journey_triggers has it."""
    parts = (decision["journey"], decision["instance_key"], decision["recipient_key"])
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
