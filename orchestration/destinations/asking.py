"""Asking a destination for one batch until every operation of it has an outcome.

Belongs here: halving what was refused, obeying a wish for silence, keeping to a pace, and knowing when to stop asking. Not
here: which batches there are and what is landed about them (delivery), and how one request looks (the destinations).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from orchestration.destinations.base import (
    ActivationChange,
    Answer,
    Destination,
    Outcome,
    Sync,
    every,
)
from orchestration.destinations.history import Known
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.waiting import (
    LONGEST_SLEEP_SECONDS,
    Clock,
    Pacer,
    back_off,
    spacing,
)

# Requests one batch may cost while a refused one is halved to find the bad rows. One bad row in 100 takes 15. Every
# run decides at least one row, so a low budget delays and never blocks. Valid: more than log2 of the batch size.
REQUESTS_PER_BATCH = 64
# Requests in a row that brought nothing through before a run gives up on the destination. Valid: 1 to 20.
FRUITLESS_REQUESTS = 3
# Times a run obeys a wish for a short silence before it ends. Valid: 0 to 100.
SHORT_SILENCES = 5


class Asking:
    """One run's requests. `summary.stopped` says that there will be no more; whatever is asked then is left for later."""

    def __init__(
        self,
        sync: Sync,
        destination: Destination,
        known: Known,
        clock: Clock,
        summary: DeliverySummary,
        requests_per_batch: int,
        before_waiting: Callable[[], None],
    ) -> None:
        """`before_waiting` is called before every silence, so that what is known is landed first."""
        self._sync, self._destination, self._known = sync, destination, known
        self._clock, self._summary = clock, summary
        self._requests_per_batch, self._before_waiting = (
            requests_per_batch,
            before_waiting,
        )
        self._pacer = Pacer(spacing(sync, destination), known.asked_at, clock)
        self._fruitless = self._silences = 0
        self.not_before: datetime | None = None
        self.http_status: int | None = None

    def decided(
        self, batch: Sequence[ActivationChange]
    ) -> Iterator[tuple[Sequence[ActivationChange], dict[str, Outcome]]]:
        """Parts of the batch with their outcomes. Depth first, so that every run decides something."""
        waiting, budget = [batch], self._requests_per_batch
        while waiting:
            part = waiting.pop()
            if self._summary.stopped or budget == 0:
                reason = (
                    self._summary.stopped or "request budget of the batch is used up"
                )
                yield part, every(part, Outcome("retry", None, f"not sent: {reason}"))
                continue
            budget -= 1
            answer = self._ask(part)
            if answer.refused is None:
                yield part, _complete(part, answer)
            elif len(part) == 1:
                yield part, every(part, answer.refused)
            else:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                self.keep_pace()

    def _ask(self, part: Sequence[ActivationChange]) -> Answer:
        """One request; the same again after a short silence, when that is all the destination wants."""
        answer = self._send(part)
        while answer.pause is not None and self._is_short(answer.pause):
            self._silences += 1
            self._before_waiting()
            self._clock.sleep(answer.pause)
            if not _is_untouched(part, answer):
                return answer
            answer = self._send(part)
        if answer.stop is not None:
            self.stop(answer.stop, back_off(self._known.pause), _status(answer))
        elif answer.pause is not None:
            self.stop(
                f"asked to wait {answer.pause:.0f} s", answer.pause, _status(answer)
            )
            self._summary.paused_seconds = answer.pause
        elif self._fruitless >= FRUITLESS_REQUESTS:
            self.stop(
                f"{self._fruitless} requests in a row failed",
                back_off(self._known.pause),
                _status(answer),
            )
        return answer

    def _send(self, part: Sequence[ActivationChange]) -> Answer:
        answer = self._destination.send(self._sync, part)
        self._summary.requests += 1
        if answer.pause is None:
            self._fruitless = 0 if _is_fruitful(answer) else self._fruitless + 1
        return answer

    def _is_short(self, pause: float) -> bool:
        return pause <= LONGEST_SLEEP_SECONDS and self._silences < SHORT_SILENCES

    @property
    def is_paced(self) -> bool:
        return self._pacer.is_needed

    def keep_pace(self) -> None:
        """Wait for the next request's turn, or stop when that is too long."""
        if self._pacer.is_needed:
            self._before_waiting()
            if (turn := self._pacer.wait()) and self._summary.stopped is None:
                self.stop("the pace of the account is used up", 0.0)
                self.not_before, self._summary.goes_on = turn, True

    def stop(
        self, sentence: str, wait: float | None = None, status: int | None = None
    ) -> None:
        """Make this the last request of the run, and say when the account may be asked again."""
        self._summary.stopped, self.http_status = sentence, status
        if wait is not None:
            self.not_before = self._clock.now() + timedelta(seconds=wait)


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
