"""Planned changes and a scripted destination, for tests of the delivery loop and of destinations."""

from collections.abc import Callable, Sequence

from orchestration.destinations.base import (
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    Pace,
    Sync,
)

SYNC = Sync(
    sync_name="buyers_to_tool",
    audience_name="buyers",
    destination="tool",
    mode="mirror",
    recipient_type="user_id",
    purpose="service",
    channel="any",
    mapping_version=1,
    max_exit_percent=30,
    max_enter_percent=200,
    guard_floor=50,
    may_be_empty=False,
    description="A test's.",
)


def change(key: str, action: str = "enter", **fields: object) -> ActivationChange:
    values = {
        "sync_name": SYNC.sync_name,
        "op_id": f"op of {key}",
        "action": action,
        "recipient_key": key,
        "recipient_type": "user_id",
        "handle": key,
        "profile_id": f"p_{key}",
        "payload": None if action == "exit" else {"orders": 2},
        "payload_hash": "hash",
        "mapping_version": 1,
        "generation": 0,
        "reason": "member",
        "is_blocked": False,
        "blocked_by": None,
    }
    return ActivationChange.model_validate({**values, **fields})


class Scripted:
    """A destination that answers as it is told and remembers what it was asked."""

    name = "tool"
    recipient_types: frozenset[str] | None = None
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    updates_only = True
    pace: Pace | None = None

    def __init__(
        self,
        says: Callable[[Sequence[ActivationChange]], Answer],
        batch_size: int = 100,
    ) -> None:
        self.batch_size, self._says = batch_size, says
        self.asked: list[list[str]] = []

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        self.asked.append([each.recipient_key for each in changes])
        return self._says(changes)

    def close(self) -> None:
        """Nothing is open."""
