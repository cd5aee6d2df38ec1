"""Cells into typed values: text, numbers, money, yes and no, times. A cell that is none of them says so.

What a column means for a person or an order is mapping.py's.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from ingestion.contracts.clock import read_moment

Unit = Literal["major", "cents", "micros"]
_EXPONENT: dict[Unit, int] = {"major": 0, "cents": -2, "micros": -6}
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
    """The value of a column; dots reach into nested objects. None where there is nothing."""
    if column in values:
        return values[column]
    found: Any = values
    for part in column.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def text(value: Any) -> str:
    """A scalar as trimmed text; empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def moment(value: Any, column: str) -> datetime | None:
    """A time in UTC; a naive one is UTC already, a date is its midnight, a number an epoch."""
    if text(value) == "":
        return None
    try:
        return read_moment(value)[0]
    except ValueError as error:
        raise CellError(
            "mistyped_value", column, f"column {column!r} holds no time: {error}"
        ) from None


def day(value: Any, column: str) -> date | None:
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


def _mistyped(given: str, column: str, wanted: str) -> CellError:
    return CellError(
        "mistyped_value",
        column,
        f"column {column!r} holds {given[:80]!r}, which is not {wanted}",
    )
