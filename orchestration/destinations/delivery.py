"""The one delivery loop: it takes a plan to a destination and lands what it tried and what became of it.

The rules that make destinations converge live here: an attempt is on disk before its request and its outcome after;
silence is unknown; nothing is sent on a plan that was overtaken; one run per sync at a time. What should be sent is
decided in SQL (activation_changes), how a batch is asked for is in asking, and when that may be is in waiting.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import cast

from ingestion.contracts import Delivery
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter, new_record_id
from orchestration.destinations.asking import REQUESTS_PER_BATCH, Asking
from orchestration.destinations.base import (
    Action,
    ActivationChange,
    Destination,
    Outcome,
    Polled,
    Sync,
)
from orchestration.destinations.history import (
    NOTHING,
    History,
    Known,
    Pending,
    since_plan,
)
from orchestration.destinations.possible import check_place, check_possible
from orchestration.destinations.receipts import Receipts, RunName, ended, settled
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.waiting import (
    SYSTEM,
    Clock,
    account_of,
    is_poll_due,
    waits_until,
)

# Outcomes are landed together with the next attempts, but wait no longer than this. Reason: what a crash leaves unknown.
# Valid: 0 (each batch for itself) to seconds.
OUTCOMES_WAIT = timedelta(seconds=0.2)
# Attempts are landed for at most so many operations before they are asked for. Valid: 1 and up.
OPERATIONS_AHEAD = 5_000
# A run begins no further batch after this; the next run goes on. Valid: 1 minute to what a scheduler grants a step.
DEADLINE = timedelta(minutes=10)
# A job that has not ended by then never will: what it did is unknown. Valid: longer than the slowest vendor's job.
JOB_PATIENCE = timedelta(hours=24)
# The old handle of a person goes before the new one comes, so removals are requests of their own.
ORDER: tuple[Action, ...] = ("exit", "update", "enter", "trigger")
# What no guard holds back.
EXEMPT = ("consent_withdrawn", "erased", "sync_retired")


class SyncBusy(Exception):  # noqa: N818 - says what happened
    """Another run delivers this sync, or asks its account, right now."""


def deliver(
    sync: Sync,
    destination: Destination,
    changes: Sequence[ActivationChange],
    writer: LandingWriter,
    landing_root: Path,
    loaded_segments: Collection[str],
    *,
    known: Known = NOTHING,
    requests_per_batch: int = REQUESTS_PER_BATCH,
    clock: Clock = SYSTEM,
    despite_pause: bool = False,
) -> DeliverySummary:
    """Deliver the plan of one sync.

    `changes` are all of the sync's rows of activation_changes, `loaded_segments` the segments that the plan had seen
    (raw.loads), and `known` what its warehouse knew beside the plan. Blocked changes are held back unless this very
    plan was approved. Changes of a recipient who was attempted since the plan are left to the next plan, unless the
    attempt certainly changed nothing. `despite_pause` asks although the account is to be left alone.
    Raises SyncBusy, SyncImpossible, and what the writer raises.
    """
    check_possible(sync, destination)
    account = account_of(destination)
    locks = [f"{sync.sync_name}.lock"]
    if destination.pace:
        locks.append(f"account-{hashlib.sha256(account.encode()).hexdigest()[:16]}")
    with _alone(landing_root, locks):
        history = since_plan(
            landing_root, sync.sync_name, loaded_segments, account, known
        )
        check_place(sync, account, history.known.accounts)
        run = _Run(sync, destination, writer, history, requests_per_batch, clock)
        run.work(changes, despite_pause)
        return run.summary


def plan_hash(op_ids: Iterable[str]) -> str:
    """Names a plan by all of its operations; an approval is bound to it."""
    return hashlib.sha256("\n".join(sorted(op_ids)).encode()).hexdigest()


_Window = tuple[Sequence[Sequence[ActivationChange]], Callable[[], None]]
"""Batches, and what waits until their attempts are on the disk."""


class _Run:
    """One pass over one plan."""

    def __init__(
        self,
        sync: Sync,
        destination: Destination,
        writer: LandingWriter,
        history: History,
        requests_per_batch: int,
        clock: Clock,
    ) -> None:
        self.summary = DeliverySummary(sync.sync_name, 0)
        self._sync, self._destination, self._writer = sync, destination, writer
        self._history, self._known = history, history.known
        self._clock, self._started = clock, clock.now()
        self._name = RunName(
            sync.sync_name, account_of(destination), str(new_record_id())
        )
        self._receipts = Receipts(self._name)
        self._asking = Asking(
            sync,
            destination,
            self._known,
            clock,
            self.summary,
            requests_per_batch,
            self._flush,
        )
        self._owed: list[bytes] = []
        self._landed_at = self._started
        # People of whom an old handle may still be there.
        self._unremoved: set[str | None] = set()

    def work(self, changes: Sequence[ActivationChange], despite_pause: bool) -> None:
        """Ask about jobs, then deliver what is due, until something says to stop."""
        self.summary.planned = len(changes)
        due = self._sorted_out(changes)
        waits = waits_until(self._known.pause, self._started)
        if waits and not despite_pause and (due or self._known.pending):
            self.summary.waits_until = waits
            return
        try:
            self._ask_about_jobs()
            # Removals first; then the others, but nobody whose old handle may still be there.
            self._deliver([c for c in due if c.action == "exit"])
            self._deliver(self._ready(due))
        finally:
            self._flush()
        self._end(is_news=bool(due) or not self._history.is_finished)

    def _sorted_out(
        self, changes: Sequence[ActivationChange]
    ) -> list[ActivationChange]:
        """What may be sent now, in the order to send it; the rest is counted."""
        due, are_held = [], self._are_held(changes)
        for change in changes:
            if change.sync_name != self._sync.sync_name:
                raise ValueError(f"{change.op_id} belongs to sync {change.sync_name}")
            if are_held and (guard := self._guard_of(change)):
                self.summary.hold(guard)
            elif self._is_overtaken(change):
                self.summary.overtaken += 1
                if change.action == "exit":
                    self._unremoved.add(change.profile_id)
            else:
                due.append(change)
        due.sort(key=attrgetter("recipient_key"))
        return [each for action in ORDER for each in due if each.action == action]

    def _are_held(self, changes: Sequence[ActivationChange]) -> bool:
        """Whether guards hold anything: somebody may have approved this very plan."""
        if not self._known.held_by and not any(map(attrgetter("is_blocked"), changes)):
            return False
        return plan_hash(c.op_id for c in changes) not in self._known.approvals

    def _guard_of(self, change: ActivationChange) -> str | None:
        """The guard that holds this change, unless nothing holds such back."""
        exempt = change.reason in EXEMPT
        return None if exempt else change.blocked_by or self._known.held_by

    def _is_overtaken(self, change: ActivationChange) -> bool:
        if change.action == "trigger":
            return change.op_id in self._history.told
        return change.recipient_key in self._history.moved

    def _ready(self, due: Sequence[ActivationChange]) -> list[ActivationChange]:
        others = [c for c in due if c.action != "exit"]
        ready = [c for c in others if not self._must_wait(c)]
        self.summary.put_off += len(others) - len(ready)
        return ready

    def _must_wait(self, change: ActivationChange) -> bool:
        return change.action == "enter" and change.profile_id in self._unremoved

    def _deliver(self, changes: Sequence[ActivationChange]) -> None:
        """All of these, batch by batch. A sync of the disk costs more than a quick request, so attempts are landed for
        as many batches as are quickly dealt with, while those before them are under way."""
        batches, ahead = _cut(changes, self._destination.batch_size), 1
        window = self._begun(islice(batches, ahead))
        while window:
            begun, following = self._clock.now(), None
            if ahead > 1:
                following = self._begun(islice(batches, ahead))
            else:
                self._flush()
            self._ask_for(window)
            ahead = self._batches_ahead(ahead, self._clock.now() - begun)
            window = following or self._begun(islice(batches, ahead))

    def _begun(self, batches: Iterable[Sequence[ActivationChange]]) -> _Window | None:
        """The next batches, whose attempts are on their way to the disk; None when no further ones are to be begun."""
        window = list(batches)
        if window:
            self._keep_deadline()
            self._asking.keep_pace()
        if not window or self.summary.stopped:
            return None
        at = self._clock.now()
        landed = self._land([self._receipts.attempted(batch, at) for batch in window])
        return window, landed

    def _batches_ahead(self, ahead: int, took: timedelta) -> int:
        """For how many batches to land attempts at once, given how long the last ones took."""
        if self._asking.is_paced:
            return 1
        if took > OUTCOMES_WAIT / 2:
            return max(1, ahead // 2)
        at_most = max(1, OPERATIONS_AHEAD // self._destination.batch_size)
        return min(2 * ahead, at_most)

    def _ask_for(self, window: _Window) -> None:
        """Once the attempts are on the disk: batch after batch, and what became of each."""
        batches, landed = window
        landed()
        for batch in batches:
            self._keep_deadline()
            reached("delivery.attempted")
            for part, outcomes in self._asking.decided(batch):
                reached("delivery.sent")
                now = self._clock.now()
                self._owed.append(self._receipts.settled(part, outcomes, now))
                if len(part) < len(batch) or now - self._landed_at > OUTCOMES_WAIT:
                    self._flush()
                self._note(part, outcomes)

    def _note(
        self, part: Sequence[ActivationChange], outcomes: Mapping[str, Outcome]
    ) -> None:
        self.summary.outcomes.update((c.action, outcomes[c.op_id].kind) for c in part)
        self._unremoved |= {
            change.profile_id
            for change in part
            if change.action == "exit"
            and outcomes[change.op_id].kind not in ("delivered", "rejected")
        }

    def _keep_deadline(self) -> None:
        if (
            self.summary.stopped is None
            and self._clock.now() - self._started > DEADLINE
        ):
            self._asking.stop("the run took long enough; the next one goes on")
            self.summary.goes_on = True

    def _ask_about_jobs(self) -> None:
        """One question about each job that was accepted and not settled. One that does not end is given up."""
        pending = self._known.pending
        for job in sorted({each.job for each in pending.values()}):
            attempts = {a: each for a, each in pending.items() if each.job == job}
            since = min(each.accepted_at for each in attempts.values())
            self._settle(attempts, self._outcome_of(job, since))

    def _outcome_of(self, job: str, since: datetime) -> Outcome:
        still = Outcome("accepted", None, "not asked", job=job)
        if not hasattr(self._destination, "poll"):
            return still
        polled = cast(Polled, self._destination)
        now, before = self._clock.now(), self._known.ran_at
        if not is_poll_due(since, polled.poll_after, before, now):
            return still
        if self.summary.stopped is None:
            self._asking.keep_pace()
        if self.summary.stopped:
            return still
        self.summary.requests += 1
        return polled.poll(self._sync, job)

    def _settle(self, attempts: Mapping[str, Pending], outcome: Outcome) -> None:
        now = self._clock.now()
        age = now - min(each.accepted_at for each in attempts.values())
        if outcome.kind == "accepted" and age > JOB_PATIENCE:
            outcome = Outcome("unknown", None, "the job did not end")
        for attempt_id, each in attempts.items():
            action, is_exit = each.fields["action"], each.fields["action"] == "exit"
            self.summary.count(action, outcome.kind)
            if is_exit and outcome.kind != "delivered":
                self._unremoved.add(each.fields["profile_id"])
            if outcome.kind != "accepted":
                record = settled(attempt_id, each, self._name, now, outcome)
                self._owed.append(record.to_line(new_record_id()))
        self._flush()

    def _flush(self) -> None:
        """Land the outcomes that are known."""
        self._land([])()

    def _land(self, attempts: Sequence[bytes]) -> Callable[[], None]:
        """Land these, and the outcomes that are known: one sync of the disk for both. What it returns waits for it."""
        has_outcomes, lines = bool(self._owed), [*self._owed, *attempts]
        self._owed, self._landed_at = [], self._clock.now()
        landing = self._writer.submit_lines(Delivery.stream, lines) if lines else None

        def landed() -> None:
            if landing:
                landing.result()
            if has_outcomes:
                reached("delivery.settled")

        return landed

    def _end(self, is_news: bool) -> None:
        """Land how the run ended, when it did anything or somebody has to wait."""
        summary, asking = self.summary, self._asking
        if summary.requests or asking.not_before or (summary.is_complete and is_news):
            if not summary.planned and not summary.requests:
                return
            self._writer.land(
                [
                    ended(
                        self._name,
                        self._clock.now(),
                        summary.is_complete,
                        summary.requests,
                        asking.not_before,
                        asking.http_status,
                        summary.sentence(),
                    )
                ]
            )


def _cut(
    changes: Sequence[ActivationChange], size: int
) -> Iterator[Sequence[ActivationChange]]:
    rest = iter(changes)
    while batch := list(islice(rest, size)):
        yield batch


@contextmanager
def _alone(landing_root: Path, names: Sequence[str]) -> Iterator[None]:
    """Hold locks of these names; they go when the process goes, however it goes."""
    folder = landing_root.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for name in names:
            fd = os.open(folder / name, os.O_CREAT | os.O_RDWR)
            held.callback(os.close, fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SyncBusy(f"another run holds {name} right now") from error
        yield
