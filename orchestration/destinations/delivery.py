"""The one delivery loop: it takes a plan to a destination and lands what it tried and what became of it.

The rules that make destinations converge live here: an attempt is on disk before its request and its outcome after;
silence is unknown; nothing is sent on a plan that was overtaken; one run per sync at a time. What should be sent is
decided in SQL (activation_changes), how one request looks is the destination's business.
"""

import fcntl
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ingestion.contracts import Delivery
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter, new_record_id
from orchestration.destinations.base import (
    ActivationChange,
    Answer,
    Destination,
    Outcome,
    Sync,
)
from orchestration.destinations.history import History, since_plan
from orchestration.destinations.summary import DeliverySummary

# Requests one batch may cost while a refused one is halved to find the bad rows. One bad row in 100 takes 15. Every
# run decides at least one row, so a low budget delays and never blocks. Valid: more than log2 of the batch size.
REQUESTS_PER_BATCH = 64
# Requests in a row that brought nothing through before a run gives up on the destination. Valid: 1 to 20.
FRUITLESS_REQUESTS = 3
# The old handle of a person goes before the new one comes.
ORDER = {"exit": 0, "update": 1, "enter": 2, "trigger": 3}


class SyncBusy(Exception):  # noqa: N818 - says what happened
    """Another run delivers this sync right now."""


def deliver(
    sync: Sync,
    destination: Destination,
    changes: Sequence[ActivationChange],
    writer: LandingWriter,
    landing_root: Path,
    loaded_segments: Collection[str],
    *,
    requests_per_batch: int = REQUESTS_PER_BATCH,
) -> DeliverySummary:
    """Deliver the plan of one sync.

    `changes` are the sync's rows of activation_changes, and `loaded_segments` the segments that the plan had seen
    (raw.loads). Blocked changes are held back. Changes of a recipient who was attempted since the plan are left to
    the next plan, unless the attempt certainly changed nothing. Raises SyncBusy, and what the writer raises.
    """
    with _alone(landing_root, sync.sync_name):
        history = since_plan(landing_root, sync.sync_name, loaded_segments)
        run = _Run(sync, destination, writer, requests_per_batch, len(changes))
        due = run.sorted_out(changes, history)
        for batch in _batches(due, destination.batch_size):
            run.attempt(batch)
            if run.summary.stopped:
                break
        run.close(is_first_to_finish=bool(due) or not history.is_finished)
        return run.summary


class _Run:
    """One pass over one plan."""

    def __init__(
        self,
        sync: Sync,
        destination: Destination,
        writer: LandingWriter,
        requests_per_batch: int,
        planned: int,
    ) -> None:
        self.summary = DeliverySummary(sync.sync_name, planned)
        self._sync, self._destination, self._writer = sync, destination, writer
        self._requests_per_batch = requests_per_batch
        self._fruitless = 0
        self._run_id = str(new_record_id())

    def sorted_out(
        self, changes: Sequence[ActivationChange], history: History
    ) -> list[ActivationChange]:
        """What may be sent now, in the order to send it; the rest is counted."""
        due = []
        for change in changes:
            if change.sync_name != self._sync.sync_name:
                raise ValueError(f"{change.op_id} belongs to sync {change.sync_name}")
            if change.is_blocked:
                self.summary.hold(change.blocked_by or "unknown guard")
            elif change.recipient_key in history.moved:
                self.summary.overtaken += 1
            else:
                due.append(change)
        return sorted(due, key=lambda each: (ORDER[each.action], each.recipient_key))

    def attempt(self, batch: Sequence[ActivationChange]) -> None:
        """Land the attempts, then ask, halving what is refused, and land each outcome as soon as it is known."""
        attempts = {change.op_id: str(new_record_id()) for change in batch}
        self._land(batch, attempts, {})
        reached("delivery.attempted")
        for part, outcomes in self._decided(batch):
            reached("delivery.sent")
            self._land(part, attempts, outcomes)
            reached("delivery.settled")
            for change in part:
                self.summary.count(change.action, outcomes[change.op_id].kind)

    def close(self, is_first_to_finish: bool) -> None:
        """Land that the plan was worked through, if it was: nothing stopped, held back or left to try again."""
        summary = self.summary
        if not summary.planned or not summary.is_complete or not is_first_to_finish:
            return
        done = Delivery(
            kind="run",
            sync_name=self._sync.sync_name,
            op_id=self._run_id,
            attempt_id=self._run_id,
            recipient_key="",
            generation=0,
            mapping_version=self._sync.mapping_version,
            detail=summary.sentence(),
        )
        self._writer.land([done])

    def _decided(
        self, batch: Sequence[ActivationChange]
    ) -> Iterator[tuple[Sequence[ActivationChange], dict[str, Outcome]]]:
        """Parts of the batch with their outcomes. Depth first, so that every run decides something."""
        waiting, budget = [batch], self._requests_per_batch
        while waiting:
            part = waiting.pop()
            if self.summary.stopped or budget == 0:
                reason = (
                    self.summary.stopped or "request budget of the batch is used up"
                )
                yield part, _all(part, Outcome("retry", None, f"not sent: {reason}"))
                continue
            budget -= 1
            answer = self._ask(part)
            if answer.refused is None:
                yield part, _complete(part, answer)
            elif len(part) == 1:
                yield part, _all(part, answer.refused)
            else:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]

    def _ask(self, part: Sequence[ActivationChange]) -> Answer:
        answer = self._destination.send(self._sync, part)
        self.summary.requests += 1
        self._fruitless = 0 if _is_fruitful(answer) else self._fruitless + 1
        if answer.stop is not None:
            self.summary.stopped = answer.stop
        elif answer.pause is not None:
            self.summary.paused_seconds = answer.pause
            self.summary.stopped = f"asked to wait {answer.pause:.0f} s"
        elif self._fruitless >= FRUITLESS_REQUESTS:
            self.summary.stopped = f"{self._fruitless} requests in a row failed"
        return answer

    def _land(
        self,
        changes: Sequence[ActivationChange],
        attempts: dict[str, str],
        outcomes: dict[str, Outcome],
    ) -> None:
        self._writer.land(
            [
                _delivery(change, attempts[change.op_id], outcomes.get(change.op_id))
                for change in changes
            ]
        )


def _delivery(
    change: ActivationChange, attempt_id: str, outcome: Outcome | None
) -> Delivery:
    return Delivery(
        kind="outcome" if outcome else "attempt",
        sync_name=change.sync_name,
        op_id=change.op_id,
        attempt_id=attempt_id,
        recipient_key=change.recipient_key,
        profile_id=change.profile_id,
        handle=(outcome and outcome.handle) or change.handle,
        action=change.action,
        generation=change.generation,
        payload_hash=change.payload_hash,
        mapping_version=change.mapping_version,
        outcome=outcome.kind if outcome else None,
        http_status=outcome.http_status if outcome else None,
        job=outcome.job if outcome else None,
        detail=outcome.detail if outcome else None,
    )


def _all(part: Sequence[ActivationChange], outcome: Outcome) -> dict[str, Outcome]:
    return {change.op_id: outcome for change in part}


def _complete(part: Sequence[ActivationChange], answer: Answer) -> dict[str, Outcome]:
    """Exactly one outcome for each change; what the answer does not mention is unknown."""
    silence = Outcome("unknown", None, "the answer does not mention it")
    return {change.op_id: answer.outcomes.get(change.op_id, silence) for change in part}


def _is_fruitful(answer: Answer) -> bool:
    """Whether the destination dealt with the request at all, if only by refusing its content."""
    dealt_with = {"delivered", "accepted", "rejected"}
    return answer.refused is not None or any(
        outcome.kind in dealt_with for outcome in answer.outcomes.values()
    )


def _batches(
    changes: Sequence[ActivationChange], size: int
) -> Iterator[Sequence[ActivationChange]]:
    rest = iter(changes)
    while batch := list(islice(rest, size)):
        yield batch


@contextmanager
def _alone(landing_root: Path, sync_name: str) -> Iterator[None]:
    """Hold the sync's lock; it goes when the process goes, however it goes."""
    folder = landing_root.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / f"{sync_name}.lock", os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SyncBusy(f"another run delivers {sync_name} right now") from error
        yield
    finally:
        os.close(fd)
