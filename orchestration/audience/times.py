"""Times as people write them in rule files: `30 days`, `30 days ago`, `in 2 weeks`, `today`, a date, a time with its offset.

All of it is UTC, and everything relative is relative to as_of. What is done with a time is compiling.py's business.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

UNITS = ("minute", "hour", "day", "week", "month", "year")
_DURATION = re.compile(rf"(\d{{1,6}}) ({'|'.join(UNITS)})s?")
_AGO = re.compile(r"(.+) ago")
_AHEAD = re.compile(r"in (.+)")


@dataclass(frozen=True)
class Duration:
    """A length of time. Months and years follow the calendar: a month before 31 March is the last day of February."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}{'' if self.number == 1 else 's'}"


@dataclass(frozen=True)
class Moment:
    """A point in time: fixed, or so long before or after as_of, or the start of its day."""

    fixed: datetime | None = None
    shift: Duration | None = None
    is_ahead: bool = False
    is_today: bool = False

    def __str__(self) -> str:
        if self.fixed:
            return self.fixed.isoformat(sep=" ")
        if self.is_today:
            return "today"
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
            return Moment(is_today=True)
        if found := _AGO.fullmatch(said):
            return Moment(shift=parse_duration(found[1]))
        if found := _AHEAD.fullmatch(said):
            return Moment(shift=parse_duration(found[1]), is_ahead=True)
    fixed = moment_of(text)
    if fixed is None:
        raise ValueError(
            f"{text!r} is no point in time: write `30 days ago`, `in 30 days`, `now`, `today`, "
            "a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z"
        )
    return Moment(fixed=fixed)


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
