"""Words about a sync that only a person or a clock can say: assert it all again, and what became of an attempt.

Both are landed, like everything that changes what we believe; the next refresh plans with them.
"""

from typing import Any, get_args

from ingestion.landing import LandingWriter, read_tail
from ingestion.settings import Settings
from orchestration.activation.plans import delivery_segments
from orchestration.destinations.base import Kind, Mode, Outcome, Sync
from orchestration.destinations.history import Pending
from orchestration.destinations.receipts import REPEATED, RunName, said_about, settled
from orchestration.destinations.waiting import SYSTEM
from orchestration.warehouse.schema import read_copy

# Modes in which saying everything again is harmless. Valid: modes that keep a state at the destination.
REPEATABLE: frozenset[Mode] = frozenset({"mirror", "snapshot", "upsert", "update"})


class NothingToSettle(Exception):  # noqa: N818 - says what happened
    """There is no attempt to say anything about."""


def resync(sync: Sync, settings: Settings, detail: str) -> str:
    """Take back what is believed to be at the destination, so that it is asserted again. Removals stay due."""
    if sync.mode not in REPEATABLE:
        raise ValueError(
            f"{sync.sync_name}: mode {sync.mode} tells everything once; there is nothing to assert again."
        )
    with LandingWriter(settings.landing) as writer:
        writer.land([said_about(sync.sync_name, "resync", detail)])
    return f"{sync.sync_name}: the next refresh plans to assert everything again."


def resolve(
    sync: Sync, recipient: str, outcome: Kind, settings: Settings, detail: str
) -> str:
    """Settle the last attempt of a recipient by hand. Raises NothingToSettle."""
    assert outcome in get_args(Kind)
    attempt = _last_attempt(sync, recipient, settings)
    fields = {name: attempt[name] for name in REPEATED}
    now = SYSTEM.now()
    run = RunName(sync.sync_name, attempt["account"] or "", attempt["run_id"] or "")
    said = settled(
        attempt["attempt_id"],
        Pending("", now, fields),
        run,
        now,
        Outcome(outcome, None, f"settled by hand, {detail}"),
    )
    with LandingWriter(settings.landing) as writer:
        writer.land([said])
    return f"{sync.sync_name}: the last attempt to {attempt['action']} {recipient} counts as {outcome}."


def _last_attempt(sync: Sync, recipient: str, settings: Settings) -> dict[str, Any]:
    """The newest attempt, looked for in the read copy and in what was landed since."""
    columns = ("record_id", "attempt_id", "account", "run_id", *REPEATED)
    with read_copy(settings.published) as connection:
        seen = delivery_segments(connection)
        rows = connection.execute(
            f"""
            select {", ".join(columns)} from activation.fct_sync_attempts
            where sync_name = ? and ? in (recipient_key, handle)
            """,
            [sync.sync_name, recipient],
        ).fetchall()
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    found += [
        row
        for row in read_tail(settings.landing, "deliveries", set(seen))
        if row["kind"] == "attempt"
        and row["sync_name"] == sync.sync_name
        and recipient in (row["recipient_key"], row["handle"])
    ]
    if not found:
        raise NothingToSettle(
            f"{sync.sync_name}: nothing was ever attempted for {recipient}."
        )
    return max(found, key=lambda row: (row["generation"], str(row["record_id"])))
