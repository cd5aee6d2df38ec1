"""Operations that a plan still holds for somebody who asked to be erased since it was made: they are not sent.

The next refresh plans the removals; until then nothing new is told of the person.
"""

from collections.abc import Iterable

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange
from orchestration.privacy.subject import subject_of
from orchestration.warehouse.schema import read_copy


def without_erased(
    changes: Iterable[ActivationChange], settings: Settings
) -> list[ActivationChange]:
    """The changes but those that are about such a person; removals stay."""
    with read_copy(settings.published) as connection:
        seen = connection.execute(
            "select segment from raw.loads where stream = 'privacy_requests'"
        ).fetchall()
        tail = read_tail(
            settings.landing, "privacy_requests", {name for (name,) in seen}
        )
        named = [
            (each["type"], each["value"])
            for row in tail
            if row["request_type"] == "erasure"
            for each in row["identifiers"]
        ]
        if not named:
            return list(changes)
        asked = subject_of(connection, named)
    keys = {value.lower() for _, value in asked.identifiers}
    return [
        change
        for change in changes
        if change.action == "exit"
        or not (
            change.profile_id in asked.profile_ids
            or change.recipient_key.lower() in keys
        )
    ]
