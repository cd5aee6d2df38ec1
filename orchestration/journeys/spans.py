"""Spans, times of day and time zones as people write them in a journey."""

import re
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator

MINUTES = {"m": 1, "h": 60, "d": 24 * 60}


def _minutes(value: Any) -> Any:
    """`90m`, `48h` or `7d` as minutes."""
    found = (
        re.fullmatch(r"([1-9]\d{0,5})([mhd])", value)
        if isinstance(value, str)
        else None
    )
    if not found:
        raise ValueError("is no span")
    return int(found[1]) * MINUTES[found[2]]


def _minute_of_day(value: Any) -> Any:
    """`21:00` as the minute of the day. YAML reads an unquoted one as a number in base 60."""
    found = (
        re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", value)
        if isinstance(value, str)
        else None
    )
    if not found:
        raise ValueError("is no time of day in quotes")
    return int(found[1]) * 60 + int(found[2])


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is no time zone")
    return value


Minutes = Annotated[int, BeforeValidator(_minutes)]
Clock = Annotated[int, BeforeValidator(_minute_of_day)]
Zone = Annotated[str, AfterValidator(_known_zone)]
