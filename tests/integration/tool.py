"""A tool that people are sent to: it keeps state in a file, so that it survives whoever is killed, and misbehaves by script.

It ignores an operation that it has applied before, as receivers that deduplicate do. What HTTP makes of such behaviour is
tested where HTTP is spoken (tests.fakes, test_destination_convergence); here is what the engine makes of the answers.
"""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestration.destinations.base import (
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    Kind,
    Outcome,
    Pace,
    Sync,
    every,
)

Changes = Sequence[ActivationChange]
BATCH = 4


class Tool:
    """`faults` say what happens to each request in turn; after the last one, all goes well."""

    name = "tool"
    recipient_types: frozenset[str] | None = None
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    updates_only = True
    poll_after = timedelta(0)
    pace: Pace | None = None

    def __init__(
        self,
        journal: Path,
        faults: Sequence[str] = (),
        poisonous: Collection[str] = (),
        batch_size: int = BATCH,
    ) -> None:
        self.journal, self.faults, self.poisonous = journal, faults, poisonous
        self.batch_size = batch_size
        self.asked: list[list[str]] = []
        self.jobs_end = True

    def send(self, sync: Sync, changes: Changes) -> Answer:
        number = len(self.asked)
        self.asked.append([change.recipient_key for change in changes])
        fault = self.faults[number] if number < len(self.faults) else "ok"
        answer: Answer = getattr(self, f"_{fault}")(changes)
        return answer

    def poll(self, sync: Sync, job: str) -> Outcome:
        if not self.jobs_end:
            return Outcome("accepted", 200, job=job)
        operations = [line for line in self._lines() if line.get("job") == job]
        self._note(*({**line, "job": None} for line in operations))
        return Outcome("delivered", 200)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def held(self) -> dict[str, Any]:
        """Who is there, with which attributes."""
        members: dict[str, Any] = {}
        applied: set[str] = set()
        for line in self._lines():
            if line.get("forget"):
                members = {}
            elif not line["job"] and line["op_id"] not in applied:
                applied.add(line["op_id"])
                if line["action"] == "exit":
                    members.pop(line["recipient"], None)
                else:
                    members[line["recipient"]] = line["attributes"]
        return members

    @property
    def told(self) -> list[tuple[str, str]]:
        """Every distinct trigger: recipient and operation."""
        return sorted(
            {
                (line["recipient"], line["op_id"])
                for line in self._lines()
                if line.get("action") == "trigger"
            }
        )

    def forget(self) -> None:
        """Lose everybody, without a word."""
        self._note({"forget": True})

    def apply(self, changes: Changes, job: str | None = None) -> None:
        self._note(
            *(
                {
                    "op_id": change.op_id,
                    "action": change.action,
                    "recipient": change.handle,
                    "attributes": change.payload,
                    "job": job,
                }
                for change in changes
            )
        )

    def _note(self, *lines: dict[str, Any]) -> None:
        with self.journal.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.journal.exists():
            yield from map(json.loads, self.journal.read_text("utf-8").splitlines())

    def _ok(self, changes: Changes) -> Answer:
        if any(change.recipient_key in self.poisonous for change in changes):
            return Answer(refused=Outcome("rejected", 400, "a row is wrong"))
        self.apply(changes)
        return _all(changes, "delivered", 200)

    def _unreachable(self, changes: Changes) -> Answer:
        return _all(changes, "retry", None)

    def _lost(self, changes: Changes) -> Answer:
        return _all(changes, "unknown", None)

    def _applied_and_lost(self, changes: Changes) -> Answer:
        self.apply(changes)
        return _all(changes, "unknown", None)

    def _error(self, changes: Changes) -> Answer:
        return _all(changes, "unknown", 500)

    def _applied_and_error(self, changes: Changes) -> Answer:
        self.apply(changes)
        return _all(changes, "unknown", 500)

    def _half_applied_and_lost(self, changes: Changes) -> Answer:
        self.apply(changes[::2])
        return _all(changes, "unknown", None)

    def _partly(self, changes: Changes) -> Answer:
        """A success with failures inside."""
        self.apply(changes[::2])
        return Answer(
            every(changes[::2], Outcome("delivered", 200))
            | every(changes[1::2], Outcome("retry", 200, "not this one"))
        )

    def _throttled(self, changes: Changes) -> Answer:
        return Answer(every(changes, Outcome("retry", 429)), pause=7.0)

    def _throttled_long(self, changes: Changes) -> Answer:
        return Answer(every(changes, Outcome("retry", 429)), pause=3600.0)

    def _unauthorised(self, changes: Changes) -> Answer:
        waiting = every(changes, Outcome("retry", 401))
        return Answer(waiting, stop="the destination refuses our credentials (401)")

    def _accepted(self, changes: Changes) -> Answer:
        job = f"job of {changes[0].op_id[:8]}"
        self.apply(changes, job)
        return Answer(every(changes, Outcome("accepted", 202, job=job)))


FAULTS = (
    "unreachable",
    "lost",
    "applied_and_lost",
    "half_applied_and_lost",
    "error",
    "applied_and_error",
    "partly",
    "throttled",
    "throttled_long",
    "unauthorised",
)


def _all(changes: Changes, kind: Kind, status: int | None) -> Answer:
    return Answer(every(changes, Outcome(kind, status)))
