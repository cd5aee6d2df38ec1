"""A trigger goes out only while the last decision that was landed about it says so.

The plan was made before its refresh landed its decisions; the relay may have decided otherwise in between.
"""

import hashlib
from collections.abc import Iterable

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange
from orchestration.warehouse.schema import read_copy


def not_called_back(
    changes: Iterable[ActivationChange], settings: Settings
) -> list[ActivationChange]:
    """The changes without triggers that were taken back by a decision which the published plan had not seen."""
    with read_copy(settings.published) as connection:
        seen = connection.execute(
            "select segment from raw.loads where stream = 'journey_decisions'"
        ).fetchall()
    loaded = {name for (name,) in seen}
    last: dict[tuple[str, str], tuple[str, bool]] = {}
    for row in read_tail(settings.landing, "journey_decisions", loaded):
        is_entered = row["outcome"] == "entered"
        last[row["journey"], row["candidate_id"]] = op_id_of(row), is_entered
    called_back = {op_id for op_id, is_entered in last.values() if not is_entered}
    return [change for change in changes if change.op_id not in called_back]


def op_id_of(decision: dict[str, str]) -> str:
    """The operation of an entry, as int_journey_triggers has it."""
    parts = (decision["journey"], decision["instance_key"], decision["recipient_key"])
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
