"""Values of databases and columnar files as JSON can hold them, without loss: what has no form of its own is text.

Text, numbers of 64 bits, booleans, times, dates and UUIDs have one. NULL stays NULL and an empty text stays empty.
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row with every value as JSON can hold it."""
    return {name: plain_value(value) for name, value in values.items()}


def plain_value(value: Any) -> Any:
    """Bytes become base64, exact numbers and intervals text, moments UTC; whatever else is unknown is its own text."""
    write = _FORMS.get(type(value))
    if write is None:
        write = next(
            (form for kind, form in _FORMS.items() if isinstance(value, kind)), str
        )
    return write(value)


def _as_is(value: Any) -> Any:
    return value


def _moment(value: datetime) -> datetime:
    """In UTC, so that a session's time zone makes no difference; a naive one stays naive."""
    moment = value.astimezone(UTC) if value.tzinfo else value
    return datetime.combine(moment.date(), moment.time(), moment.tzinfo)


def _whole(value: int) -> int | str:
    return value if -(2**63) <= value < 2**63 else str(value)


def _number(value: float) -> float | str:
    """What JSON has no number for, by the names that databases use."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(bytes(value)).decode("ascii")


def _list(value: Any) -> list[Any]:
    return [plain_value(each) for each in value]


def _object(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): plain_value(each) for key, each in value.items()}


_FORMS: dict[type, Callable[[Any], Any]] = {
    str: _as_is,
    bool: _as_is,
    int: _whole,
    float: _number,
    type(None): _as_is,
    datetime: _moment,
    date: _as_is,
    time: str,
    Decimal: str,
    UUID: str,
    timedelta: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    list: _list,
    tuple: _list,
    dict: _object,
}
