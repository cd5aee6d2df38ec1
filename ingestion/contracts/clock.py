"""When something happened, from what the sender's clock and ours say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ingestion.contracts.refusals import Fault, Refused, invalid

FUTURE_LIMIT = timedelta(hours=24)
"""An event further ahead of our clock than this is refused: a calendar entry, or a clock we can't correct."""

SKEW_NOTICED = timedelta(minutes=1)
"""A sender's clock that differs by more is flagged. Less than this is transport and batching."""

MILLISECONDS_FROM = 10**11
"""Epoch numbers from here on are milliseconds (as seconds they would lie beyond the year 5000)."""


Named = tuple[str, Any]
"""A value with the name its sender gave it."""


class Times(NamedTuple):
    """The four timestamps of an event (with `received_at`), and what was noticed while reading them."""

    occurred_at: datetime
    sent_at: datetime | None
    original_timestamp: datetime | None
    flags: Sequence[str]


def read_times(
    received_at: datetime, given: Named, original: Named, sent: Any
) -> Times:
    """Correct the sender's clock: occurred = received - (sent - original), if it says when it sent.

    Without a `sent` the given timestamp stands, without that ours. Where there is no original, the given one is it.
    Raises Refused for a timestamp that can't be read, or that lies in the future after correction.
    """
    flags: list[str] = []
    given_at = None if given[1] is None else _required(given, flags)
    original_at = given_at if original[1] is None else _required(original, flags)
    path = given[0] if given_at else original[0]
    sent_at = None if sent is None else _optional(sent, flags)
    occurred_at = given_at or original_at or received_at
    if sent_at and original_at:
        occurred_at = _corrected(received_at, sent_at, original_at, path)
        if abs(received_at - sent_at) > SKEW_NOTICED:
            flags.append("clock_corrected")
    ahead = occurred_at - received_at
    if ahead > FUTURE_LIMIT:
        reason = f"is {ahead} ahead of our clock; send the time it happened, and sentAt from the same clock"
        raise Refused("in_the_future", Fault(path, reason))
    return Times(occurred_at, sent_at, original_at, flags)


def _corrected(
    received: datetime, sent: datetime, original: datetime, path: str
) -> datetime:
    try:
        return received - (sent - original)
    except OverflowError:
        raise invalid(path, "lies outside the calendar") from None


def _required(named: Named, flags: list[str]) -> datetime:
    path, value = named
    try:
        moment, naive = read_moment(value)
    except ValueError as error:
        raise invalid(path, str(error)) from None
    if naive:
        flags.append("naive_timestamp")
    return moment


def _optional(value: Any, flags: list[str]) -> datetime | None:
    """An unreadable `sent_at` costs the correction, not the event: the batch shares it."""
    try:
        return read_moment(value)[0]
    except ValueError:
        flags.append("unreadable_sent_at")
        return None


def read_moment(value: Any) -> tuple[datetime, bool]:
    """A moment in UTC from ISO 8601 text or an epoch number (seconds or milliseconds), and whether it was naive.

    Raises ValueError with the remedy.
    """
    if isinstance(value, str):
        return _read_text(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _read_epoch(value), False
    raise ValueError("must be ISO 8601 text or an epoch number")


def _read_text(text: str) -> tuple[datetime, bool]:
    if len(text) >= 9 and text.isdecimal() and text.isascii():
        return _read_epoch(int(text[:20])), False
    try:
        moment = datetime.fromisoformat(text)
        naive = moment.tzinfo is None
        if moment.tzinfo is not UTC:
            moment = moment.replace(tzinfo=UTC) if naive else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!r} is not ISO 8601, e.g. 2026-01-31T12:00:00Z"
        ) from None
    return moment, naive


def _read_epoch(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= MILLISECONDS_FROM else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{number!r} is no epoch time in seconds or ms") from None
