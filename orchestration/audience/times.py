"""Times as people write them in rule files: `30 days`, `30 days ago`, `in 2 weeks`, `today`, a date, a time with its offset.

All of it is UTC, and everything relative is relative to as_of. What is done with a time is compiling.py's business.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
_DURATION = re.compile(rf"(\d{{1,6}}) ({'|'.join(UNITS)})s?")
_AGO = re.compile(r"(.+) ago")
_AHEAD = re.compile(r"in (.+)")
_START = re.compile(r"start of (last |next |this )?(day|week|month|year)")


@dataclass(frozen=True)
class Duration:
    """A length of time. Months and years follow the calendar: a month before 31 March is the last day of February."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}{'' if self.number == 1 else 's'}"

    def times(self, count: int) -> "Duration":
        return Duration(self.number * count, self.unit)


@dataclass(frozen=True)
class Moment:
    """A point in time: fixed, or so long before or after as_of, or before or after the start of a unit of the calendar."""

    fixed: datetime | None = None
    shift: Duration | None = None
    is_ahead: bool = False
    start_of: str | None = None
    """The unit that has as_of in it. Weeks start on Monday."""

    def __str__(self) -> str:
        if self.fixed:
            return self.fixed.isoformat(sep=" ")
        if self.start_of and self.shift:
            return f"start of {'next' if self.is_ahead else 'last'} {self.start_of}"
        if self.start_of:
            return "today" if self.start_of == "day" else f"start of {self.start_of}"
        if self.shift is None:
            return "now"
        return f"in {self.shift}" if self.is_ahead else f"{self.shift} ago"


def parse_duration(text: object) -> Duration:
    """`30 days`. Raises ValueError with a sentence."""
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError(
            f"{text!r} is no length of time: write a number and a unit, such as `30 days`; "
            f"units are {', '.join(unit + 's' for unit in UNITS)}"
        )
    return Duration(int(found[1]), found[2])


def parse_moment(text: object) -> Moment:
    """A point in time; a date is its first moment, a time without an offset is UTC. Raises ValueError with a sentence."""
    if isinstance(text, str):
        said = text.strip()
        if said == "now":
            return Moment()
        if said == "today":
            return Moment(start_of="day")
        if found := _START.fullmatch(said):
            return _start_of(found[2], (found[1] or "this").strip())
        if found := _AGO.fullmatch(said):
            return Moment(shift=parse_duration(found[1]))
        if found := _AHEAD.fullmatch(said):
            return Moment(shift=parse_duration(found[1]), is_ahead=True)
    fixed = moment_of(text)
    if fixed is None:
        raise ValueError(
            f"{text!r} is no point in time: write `30 days ago`, `in 30 days`, `now`, `today`, `start of month`, "
            "a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z"
        )
    return Moment(fixed=fixed)


def _start_of(unit: str, which: str) -> Moment:
    by = None if which == "this" else Duration(1, unit)
    return Moment(shift=by, is_ahead=which == "next", start_of=unit)


def moment_of(value: object) -> datetime | None:
    """A date or time, or its text in ISO 8601, as naive UTC; None when it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return None
