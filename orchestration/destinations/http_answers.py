"""What an HTTP exchange proves about the operations it carried.

One table for every destination that speaks HTTP, so that all of them mean the same by `retry` (certainly not
applied), `unknown` (may have been applied) and `rejected` (will never be applied). What a vendor writes into the body
of a 2xx is read by that destination.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orchestration.destinations.base import (
    ActivationChange,
    Answer,
    Kind,
    Outcome,
    every,
)
from orchestration.destinations.wire import Lost, NeverSent, Reply

# Silence after a 429 that does not say how long. Reason: most vendors' windows are a minute.
DEFAULT_PAUSE_SECONDS = 60.0
MAX_PAUSE_SECONDS = 86_400.0


def of_error(changes: Sequence[ActivationChange], error: NeverSent | Lost) -> Answer:
    """The answer when no response came."""
    kind: Kind = "retry" if isinstance(error, NeverSent) else "unknown"
    return Answer(every(changes, Outcome(kind, None, str(error))))


def of_status(
    changes: Sequence[ActivationChange], response: Reply, detail: str
) -> Answer:
    """The answer to any response that is not a 2xx."""
    status = response.status_code
    pause = retry_after(response.headers.get("retry-after"))
    if status == 429 or (status == 503 and pause is not None):
        if pause is None:
            pause = until_reset(response.headers.get("x-ratelimit-reset"))
        waiting = every(changes, Outcome("retry", status, detail))
        return Answer(waiting, pause=DEFAULT_PAUSE_SECONDS if pause is None else pause)
    if status in (400, 413, 422):
        return Answer(refused=Outcome("rejected", status, detail))
    if status < 400:
        # A redirect is never followed: it could lead inwards, and a 303 may mean "done".
        moved = every(changes, Outcome("unknown", status, detail))
        return Answer(
            moved, stop=f"the destination redirects ({status}); correct its URL"
        )
    if status < 500 and status != 408:
        return Answer(
            every(changes, Outcome("retry", status, detail)), stop=_why(status)
        )
    return Answer(every(changes, Outcome("unknown", status, detail)))


def _why(status: int) -> str:
    if status in (401, 403):
        return f"the destination refuses our credentials ({status})"
    return f"the destination does not take this kind of request ({status})"


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait, from either form of Retry-After (seconds or a date); None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)


def until_reset(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds until the moment (Unix time) that Braze and Criteo name instead of a Retry-After; None when unreadable."""
    text = (header or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    seconds = int(text) - (now or datetime.now(UTC)).timestamp()
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
