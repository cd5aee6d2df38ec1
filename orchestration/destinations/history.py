"""What happened to a sync since its plan was made: the deliveries that the plan's warehouse had not loaded.

Belongs here: reading the landing zone's tail. What deliveries mean for the next plan is SQL (int_sync_delivered).
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ingestion.landing import read_tail


@dataclass(frozen=True)
class History:
    """`moved`: recipients whose delivered state the plan no longer knows. `is_finished`: a run has completed."""

    moved: frozenset[str]
    is_finished: bool


def since_plan(
    landing_root: Path, sync_name: str, loaded_segments: Collection[str]
) -> History:
    """Read the tail: every delivery of the sync in a segment the plan had not seen."""
    recipients: dict[str, str] = {}
    unchanged: set[str] = set()
    is_finished = False
    for row in read_tail(landing_root, "deliveries", set(loaded_segments)):
        if row["sync_name"] != sync_name:
            continue
        attempt = row["attempt_id"]
        if row["kind"] == "attempt":
            recipients[attempt] = row["recipient_key"]
        elif row["kind"] == "run":
            is_finished = True
        elif row["outcome"] == "retry":
            unchanged.add(attempt)
        else:
            # An outcome whose attempt the plan did see as unknown: the state moved all the same.
            recipients[attempt] = row["recipient_key"]
    moved = {key for attempt, key in recipients.items() if attempt not in unchanged}
    return History(frozenset(moved), is_finished)
