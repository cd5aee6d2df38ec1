"""Whether a destination can do what a sync asks of it, and whether it is the one that was asked before, said in a
sentence before anything is sent.
"""

from collections.abc import Collection

from orchestration.destinations.base import Action, Destination, Mode, Sync

NEEDED_ACTIONS: dict[Mode, frozenset[Action]] = {
    "mirror": frozenset({"enter", "update", "exit"}),
    "snapshot": frozenset({"enter", "update", "exit"}),
    "upsert": frozenset({"enter", "update", "exit"}),
    "insert": frozenset({"enter", "exit"}),
    "update": frozenset({"update", "exit"}),
    "events": frozenset({"trigger"}),
}


class SyncImpossible(Exception):  # noqa: N818 - says what happened
    """The sync asks for something that its destination cannot do."""


def check_possible(sync: Sync, destination: Destination) -> None:
    """Raise SyncImpossible, with a sentence, when the destination cannot do what the sync asks for."""
    missing = NEEDED_ACTIONS[sync.mode] - destination.actions
    if missing:
        raise SyncImpossible(
            f"{sync.sync_name}: mode {sync.mode} needs {', '.join(sorted(missing))}, "
            f"which {destination.name} cannot do (it can: {', '.join(sorted(destination.actions))})."
        )
    if sync.mode == "update" and not destination.updates_only:
        raise SyncImpossible(
            f"{sync.sync_name}: mode update creates nobody, but {destination.name} takes in whomever it is told of; "
            "use mode mirror or upsert."
        )
    types = destination.recipient_types
    if types is not None and sync.recipient_type not in types:
        known = ", ".join(sorted(types))
        raise SyncImpossible(
            f"{sync.sync_name}: {destination.name} knows nobody by {sync.recipient_type} (it does by: {known})."
        )


def check_place(sync: Sync, account: str, accounts: Collection[str]) -> None:
    """Raise SyncImpossible when the sync put people elsewhere, at `accounts`: nobody would ever take them back there."""
    if elsewhere := sorted(set(accounts) - {account}):
        raise SyncImpossible(
            f"{sync.sync_name} leads to {account} now, but the people it put at {', '.join(elsewhere)} are still there. "
            "Let it lead there again; to take them back, set its state to retired and publish; "
            "then add a sync of another name for the new place."
        )
