"""Cells into typed values: text, numbers, money, yes and no, times. A cell that is none of them says so.

What a column means for a person or an order is mapping.py's.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal

from ingestion.contracts.base import as_utc
from ingestion.contracts.clock import read_moment

Unit = Literal["major", "cents", "micros"]
_EXPONENT: dict[Unit, int] = {"major": 0, "cents": -2, "micros": -6}
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_YES = frozenset(
    {"true", "t", "yes", "y", "1", "granted", "opt_in", "opted_in", "subscribed"}
)
_NO = frozenset(
    {"false", "f", "no", "n", "0", "denied", "opt_out", "opted_out", "unsubscribed"}
)


class CellError(ValueError):
    """A row cannot be taken as it is: a code for counting, the column, and a sentence."""

    def __init__(self, code: str, column: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.column, self.detail = code, column, detail


def cell(values: Mapping[str, Any], column: str) -> Any:
    """The value of a column; None where there is nothing.

    Dots reach into nested objects, numbers into lists, and `actions[action_type=purchase].value` takes the first
    member of a list that says so.
    """
    if column in values:
        return values[column]
    if "." not in column and "[" not in column:
        return None
    found: Any = values
    for part in _parts(column):
        found = _below(found, part)
        if found is None:
            return None
    return found


@cache
def _parts(path: str) -> tuple[str, ...]:
    """Names, numbers and `[key=value]` of a path; a dot within brackets belongs to the value."""
    return tuple(re.findall(r"\[[^\]]*\]|[^.\[]+", path))


def _below(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if not isinstance(value, list):
        return None
    if part.isdecimal():
        return value[int(part)] if int(part) < len(value) else None
    key, _, wanted = part.strip("[]").partition("=")
    for each in value:
        if isinstance(each, Mapping) and text(each.get(key)) == wanted:
            return each
    return None


def text(value: Any) -> str:
    """A scalar as trimmed text; empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def moment(value: Any, column: str) -> datetime | None:
    """A time in UTC; a naive one is UTC already, a date is its midnight, a number an epoch."""
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if text(value) == "":
        return None
    try:
        return read_moment(value)[0]
    except ValueError as error:
        raise CellError(
            "mistyped_value", column, f"column {column!r} holds no time: {error}"
        ) from None


def as_given(value: Any) -> str | int | float:
    """A time as its source wrote it, so that a naive one can still be told from one that names its offset."""
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, int | float) else text(value)


def day(value: Any, column: str) -> date | None:
    """The day as it is written: an ad account's day is one of its own time zone, whatever offset stands behind it."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    given = text(value)
    if _ISO_DAY.match(given):
        moment(value, column)
        return date.fromisoformat(given[:10])
    found = moment(value, column)
    return found.date() if found else None


def number(value: Any, column: str) -> Decimal | None:
    if (given := text(value)) == "":
        return None
    try:
        found = Decimal(given)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise _mistyped(given, column, "a number")
    return found


def integer(value: Any, column: str) -> int | None:
    found = number(value, column)
    if found is None:
        return None
    if found != found.to_integral_value() or abs(found) >= 2**63:
        raise _mistyped(text(value), column, "a whole number")
    return int(found)


def money(value: Any, column: str, unit: Unit) -> Decimal | None:
    """An amount in major units, exact, with at least two places: 1000 cents are 10.00."""
    found = number(value, column)
    if found is None:
        return None
    major = found.scaleb(_EXPONENT[unit])
    if abs(major) >= 10**14:
        raise _mistyped(text(value), column, "an amount of money")
    two = major.quantize(Decimal("0.01"))
    return two if two == major else major.normalize()


def to_places(number: Decimal | None, places: int) -> Decimal | None:
    """Rounded to what the contract keeps, if it has more."""
    if number is None or -int(number.as_tuple().exponent) <= places:
        return number
    return number.quantize(Decimal(1).scaleb(-places))


def yes_or_no(value: Any, column: str) -> bool | None:
    given = text(value).lower()
    if given == "":
        return None
    if given in _YES:
        return True
    if given in _NO:
        return False
    raise _mistyped(given, column, "yes or no")


def is_marked(values: Mapping[str, Any], column: str) -> bool:
    """Whether a row says that it is deleted: yes, or the time at which it was."""
    given = text(cell(values, column)).lower()
    return given != "" and given not in _NO


def _mistyped(given: str, column: str, wanted: str) -> CellError:
    return CellError(
        "mistyped_value",
        column,
        f"column {column!r} holds {given[:80]!r}, which is not {wanted}",
    )
