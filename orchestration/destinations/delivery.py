"""The one delivery loop: it takes a plan to a destination and lands what it tried and what became of it.

The rules that make destinations converge live here: an attempt is on disk before its request and its outcome after;
silence is unknown; nothing is sent on a plan that was overtaken; one run per sync at a time. What should be sent is
decided in SQL (activation_changes), how one request looks is the destination's business, and when one may be made is
in waiting.
"""

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import cast

from ingestion.contracts import Delivery
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter, new_record_id
from orchestration.destinations.base import (
    Action,
    ActivationChange,
    Answer,
    Destination,
    Mode,
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
from orchestration.destinations.receipts import Receipts, RunName, ended, settled
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.waiting import (
    LONGEST_SLEEP_SECONDS,
    SYSTEM,
    Clock,
    Pacer,
    account_of,
    back_off,
    is_poll_due,
    spacing,
    waits_until,
)

# Requests one batch may cost while a refused one is halved to find the bad rows. One bad row in 100 takes 15. Every
# run decides at least one row, so a low budget delays and never blocks. Valid: more than log2 of the batch size.
REQUESTS_PER_BATCH = 64
# Outcomes are landed together with the next attempts, but wait no longer than this. Reason: what a crash leaves unknown.
# Valid: 0 (each batch for itself) to seconds.
OUTCOMES_WAIT = timedelta(seconds=0.2)
# Attempts are landed for at most so many operations before they are asked for. Valid: 1 and up.
OPERATIONS_AHEAD = 5_000
# Requests in a row that brought nothing through before a run gives up on the destination. Valid: 1 to 20.
FRUITLESS_REQUESTS = 3
# Times a run obeys a wish for a short silence before it ends. Valid: 0 to 100.
SHORT_SILENCES = 5
# A run begins no further batch after this; the next run goes on. Valid: 1 minute to what a scheduler grants a step.
DEADLINE = timedelta(minutes=10)
# A job that has not ended by then never will: what it did is unknown. Valid: longer than the slowest vendor's job.
JOB_PATIENCE = timedelta(hours=24)
# The old handle of a person goes before the new one comes, so removals are requests of their own.
ORDER = {"exit": 0, "update": 1, "enter": 2, "trigger": 3}
# What no guard holds back.
EXEMPT = ("consent_withdrawn", "erased", "sync_retired")
NEEDED_ACTIONS: dict[Mode, frozenset[Action]] = {
    "mirror": frozenset({"enter", "update", "exit"}),
    "snapshot": frozenset({"enter", "update", "exit"}),
    "upsert": frozenset({"enter", "update", "exit"}),
    "insert": frozenset({"enter", "exit"}),
    "update": frozenset({"update", "exit"}),
    "events": frozenset({"trigger"}),
}


class SyncBusy(Exception):  # noqa: N818 - says what happened
    """Another run delivers this sync, or asks its account, right now."""


class SyncImpossible(Exception):  # noqa: N818 - says what happened
    """The sync asks for something that its destination cannot do."""


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
        run = _Run(sync, destination, writer, history, requests_per_batch, clock)
        run.work(changes, despite_pause)
        return run.summary


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


def plan_hash(op_ids: Iterable[str]) -> str:
    """Names a plan by all of its operations; an approval is bound to it."""
    return hashlib.sha256("\n".join(sorted(op_ids)).encode()).hexdigest()


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
        self._requests_per_batch, self._clock = requests_per_batch, clock
        self._name = RunName(
            sync.sync_name, account_of(destination), str(new_record_id())
        )
        self._receipts = Receipts(self._name)
        self._pacer = Pacer(spacing(sync, destination), self._known.asked_at, clock)
        self._fruitless = self._silences = 0
        self._not_before: datetime | None = None
        self._http_status: int | None = None
        self._owed: list[bytes] = []
        # People of whom an old handle may still be there.
        self._unremoved: set[str | None] = set()

    def work(self, changes: Sequence[ActivationChange], despite_pause: bool) -> None:
        """Ask about jobs, then deliver what is due, until something says to stop."""
        self.summary.planned = len(changes)
        started = self._clock.now()
        due = self._sorted_out(changes)
        waits = waits_until(self._known.pause, started)
        if waits and not despite_pause and (due or self._known.pending):
            self.summary.waits_until = waits
            return
        try:
            self._ask_about_jobs()
            # Removals first; then the others, but nobody whose old handle may still be there.
            self._deliver([c for c in due if c.action == "exit"], started)
            self._deliver(self._ready(due), started)
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
            guard = change.blocked_by or self._known.held_by
            if are_held and guard and change.reason not in EXEMPT:
                self.summary.hold(guard)
            elif self._is_overtaken(change):
                self.summary.overtaken += 1
                if change.action == "exit":
                    self._unremoved.add(change.profile_id)
            else:
                due.append(change)
        due.sort(key=attrgetter("recipient_key"))
        return sorted(due, key=lambda each: ORDER[each.action])

    def _are_held(self, changes: Sequence[ActivationChange]) -> bool:
        """Whether guards hold anything: somebody may have approved this very plan."""
        if not self._known.held_by and not any(c.is_blocked for c in changes):
            return False
        return plan_hash(c.op_id for c in changes) not in self._known.approvals

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

    def _deliver(self, changes: Sequence[ActivationChange], started: datetime) -> None:
        """All of these, batch by batch. Attempts are landed for as many batches as are quickly dealt with: a sync of
        the disk costs more than a quick request."""
        batches, ahead = _cut(changes, self._destination.batch_size), 1
        while window := list(islice(batches, ahead)):
            self._keep_deadline(started)
            self._keep_pace()
            if self.summary.stopped:
                return
            begun = self._clock.now()
            self._attempt(window)
            ahead = self._batches_ahead(ahead, self._clock.now() - begun)

    def _batches_ahead(self, ahead: int, took: timedelta) -> int:
        """For how many batches to land attempts at once, given how long the last ones took."""
        if self._pacer.is_needed or took > OUTCOMES_WAIT / 2:
            return 1
        at_most = max(1, OPERATIONS_AHEAD // self._destination.batch_size)
        return min(2 * ahead, at_most)

    def _attempt(self, window: Sequence[Sequence[ActivationChange]]) -> None:
        """Land the attempts, then ask for batch after batch, halving what is refused, and land the outcomes."""
        at = self._clock.now()
        self._flush([self._receipts.attempted(batch, at) for batch in window])
        for batch in window:
            reached("delivery.attempted")
            for part, outcomes in self._decided(batch):
                reached("delivery.sent")
                now = self._clock.now()
                self._owed.append(self._receipts.settled(part, outcomes, now))
                if len(part) < len(batch) or now - at > OUTCOMES_WAIT:
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
                self._keep_pace()

    def _ask(self, part: Sequence[ActivationChange]) -> Answer:
        """One request; the same again after a short silence, when that is all the destination wants."""
        answer = self._send(part)
        while answer.pause is not None and self._is_short(answer.pause):
            self._silences += 1
            self._flush()
            self._clock.sleep(answer.pause)
            if not _is_untouched(part, answer):
                return answer
            answer = self._send(part)
        if answer.stop is not None:
            self._stop(answer.stop, back_off(self._known.pause), _status(answer))
        elif answer.pause is not None:
            self._stop(
                f"asked to wait {answer.pause:.0f} s", answer.pause, _status(answer)
            )
            self.summary.paused_seconds = answer.pause
        elif self._fruitless >= FRUITLESS_REQUESTS:
            self._stop(
                f"{self._fruitless} requests in a row failed",
                back_off(self._known.pause),
                _status(answer),
            )
        return answer

    def _send(self, part: Sequence[ActivationChange]) -> Answer:
        answer = self._destination.send(self._sync, part)
        self.summary.requests += 1
        if answer.pause is None:
            self._fruitless = 0 if _is_fruitful(answer) else self._fruitless + 1
        return answer

    def _is_short(self, pause: float) -> bool:
        return pause <= LONGEST_SLEEP_SECONDS and self._silences < SHORT_SILENCES

    def _keep_pace(self) -> None:
        """Wait for the next request's turn, or stop when that is too long."""
        if self._pacer.is_needed:
            self._flush()
            if (turn := self._pacer.wait()) and self.summary.stopped is None:
                self._stop("the pace of the account is used up", 0.0)
                self._not_before, self.summary.goes_on = turn, True

    def _keep_deadline(self, started: datetime) -> None:
        if self.summary.stopped is None and self._clock.now() - started > DEADLINE:
            self._stop("the run took long enough; the next one goes on")
            self.summary.goes_on = True

    def _stop(
        self, sentence: str, wait: float | None = None, status: int | None = None
    ) -> None:
        """Make this the last request of the run, and say when the account may be asked again."""
        self.summary.stopped, self._http_status = sentence, status
        if wait is not None:
            self._not_before = self._clock.now() + timedelta(seconds=wait)

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
            self._keep_pace()
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

    def _flush(self, attempts: Sequence[bytes] = ()) -> None:
        """Land the outcomes that are known, and these attempts with them: one sync of the disk for both."""
        has_outcomes = bool(self._owed)
        if lines := [*self._owed, *attempts]:
            self._owed = []
            self._writer.land_lines(Delivery.stream, lines)
        if has_outcomes:
            reached("delivery.settled")

    def _end(self, is_news: bool) -> None:
        """Land how the run ended, when it did anything or somebody has to wait."""
        summary = self.summary
        if summary.requests or self._not_before or (summary.is_complete and is_news):
            if not summary.planned and not summary.requests:
                return
            self._writer.land(
                [
                    ended(
                        self._name,
                        self._clock.now(),
                        summary.is_complete,
                        summary.requests,
                        self._not_before,
                        self._http_status,
                        summary.sentence(),
                    )
                ]
            )


def _all(part: Sequence[ActivationChange], outcome: Outcome) -> dict[str, Outcome]:
    return {change.op_id: outcome for change in part}


def _complete(part: Sequence[ActivationChange], answer: Answer) -> dict[str, Outcome]:
    """Exactly one outcome for each change; what the answer does not mention is unknown."""
    silence = Outcome("unknown", None, "the answer does not mention it")
    return {change.op_id: answer.outcomes.get(change.op_id, silence) for change in part}


def _is_untouched(part: Sequence[ActivationChange], answer: Answer) -> bool:
    """Whether nothing of the request can have been applied."""
    return all(each.kind == "retry" for each in _complete(part, answer).values())


def _is_fruitful(answer: Answer) -> bool:
    """Whether the destination dealt with the request at all, if only by refusing its content."""
    dealt_with = {"delivered", "accepted", "rejected"}
    return answer.refused is not None or any(
        outcome.kind in dealt_with for outcome in answer.outcomes.values()
    )


def _status(answer: Answer) -> int | None:
    """The status that the answer rests on."""
    outcomes = [
        *answer.outcomes.values(),
        *([answer.refused] if answer.refused else []),
    ]
    return next((each.http_status for each in outcomes if each.http_status), None)


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
