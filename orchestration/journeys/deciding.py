"""One decides at a time: the refresh and the relay land decisions under one lock, each after reading what the other landed."""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingestion.contracts import JourneyDecision


@contextmanager
def deciding(landing_root: Path) -> Iterator[None]:
    """Wait for the lock and hold it; it goes with the process, however that ends."""
    folder = landing_root.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / "journeys.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def in_turn(
    decisions: Iterable[JourneyDecision], since: Iterable[Mapping[str, Any]]
) -> list[JourneyDecision]:
    """The refresh's decisions; beside whomever the relay let in `since` the refresh looked, nobody enters for now.

    Caps, re-entry and duplicates were judged without that entry. Whoever waits is judged again with it.
    """
    entered = [row for row in since if row["outcome"] == "entered"]
    contacts = {row["recipient_key"] for row in entered}
    people = {(row["journey"], row["recipient"]) for row in entered}
    return [
        each.model_copy(update={"outcome": "held_pacing", "detail": None})
        if each.outcome == "entered"
        and (each.recipient_key in contacts or (each.journey, each.recipient) in people)
        else each
        for each in decisions
    ]
