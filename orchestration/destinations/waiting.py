"""When a destination may be asked: its pace, the silence it asked for, and the back-off from one that fails.

Nothing is remembered here. A run learns from landed deliveries how the last one ended (history), and lands when the
next one may begin. A run sleeps only as long as one batch needs; for anything longer it ends, and a later one goes on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestration.destinations.base import Destination, Sync
from orchestration.destinations.history import Pause

# The longest sleep inside a run. Reason: what a slow request takes anyway. Valid: 1 to 60.
LONGEST_SLEEP_SECONDS = 20.0
# The first wait after a run that failed; each further one doubles it. Valid: 1 and up.
FIRST_WAIT_SECONDS = 60.0
# ...up to this. Reason: a destination that comes back is served the same day. Valid: 1 to 24 hours.
LONGEST_WAIT_SECONDS = 6 * 3600.0
# No destination asks for more (http_answers), so a later moment was written by a clock that ran ahead.
CREDIBLE = timedelta(hours=25)


@dataclass(frozen=True)
class Clock:
    """Time as the loop sees it; tests hand in one of their own."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


SYSTEM = Clock()


def account_of(destination: Destination) -> str:
    """Whose pace and pauses a destination shares."""
    return destination.pace.account if destination.pace else destination.name


def spacing(sync: Sync, destination: Destination) -> float:
    """Seconds from one request to the next. Evenly spaced requests keep to the limit in any window."""
    pace = destination.pace
    limits = [pace.seconds / pace.requests] if pace else []
    if sync.requests_per_minute:
        limits.append(60.0 / sync.requests_per_minute)
    return max(limits, default=0.0)


def waits_until(pause: Pause | None, now: datetime) -> datetime | None:
    """The moment before which the account must be left alone, if it lies ahead."""
    if pause is None or pause.not_before is None:
        return None
    return pause.not_before if now < pause.not_before <= now + CREDIBLE else None


def back_off(pause: Pause | None) -> float:
    """Seconds until a destination that failed again is asked: twice the last wait."""
    doubled = 2 * pause.seconds if pause else 0.0
    return min(max(FIRST_WAIT_SECONDS, doubled), LONGEST_WAIT_SECONDS)


def is_poll_due(
    since: datetime, poll_after: timedelta, before: datetime | None, now: datetime
) -> bool:
    """Whether a job accepted at `since` is to be asked about, when the sync last ran `before`: its age must have
    reached `poll_after`, or twice that, or twice again."""
    if not poll_after:
        return True
    return _doublings(now - since, poll_after) > (
        _doublings(before - since, poll_after) if before else 0
    )


def _doublings(age: timedelta, first: timedelta) -> int:
    return int(age / first).bit_length() if age > timedelta(0) else 0


class Pacer:
    """Keeps requests of one run apart, and apart from the last one of the run before."""

    def __init__(self, apart: float, asked_at: datetime | None, clock: Clock) -> None:
        self._apart, self._clock = apart, clock
        self.is_needed = apart > 0
        self._next: datetime | None = None
        now = clock.now()
        if apart and asked_at and asked_at <= now:
            self._next = asked_at + timedelta(seconds=apart)

    def wait(self) -> datetime | None:
        """Sleep until the next request may be made; the moment instead, when that is too long to sleep."""
        now = self._clock.now()
        if self._next and now < self._next:
            seconds = (self._next - now).total_seconds()
            if seconds > LONGEST_SLEEP_SECONDS:
                return self._next
            self._clock.sleep(seconds)
        self._next = self._clock.now() + timedelta(seconds=self._apart)
        return None
