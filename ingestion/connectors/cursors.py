"""How far a source was read: the highest value of its cursor, compared and written down.

Only sources that read what is new have one; sql.py asks for more than it.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ingestion.connectors.rows import ExtractError

_TYPES: dict[str, tuple[type, Callable[[str], Any]]] = {
    "integer": (int, int),
    "decimal": (Decimal, Decimal),
    "timestamp": (datetime, datetime.fromisoformat),
    "date": (date, date.fromisoformat),
    "text": (str, str),
}


def higher(highest: Any, value: Any, column: str) -> Any:
    """The higher of two values, None being none. Raises ExtractError for what cannot be a cursor."""
    if value is None:
        return highest
    if all(type(value) is not kind for kind, _ in _TYPES.values()):
        raise ExtractError(
            f"the cursor {column!r} holds a {type(value).__name__}; choose a column of numbers, times or text"
        )
    if highest is not None and type(highest) is not type(value):
        kinds = f"{type(highest).__name__} and {type(value).__name__}"
        raise ExtractError(
            f"the cursor {column!r} holds both {kinds}; choose a column of one type"
        )
    return value if highest is None else max(highest, value)


def to_noted(value: Any) -> list[str]:
    """A cursor's value as its type and text."""
    kind = next(name for name, (kind, _) in _TYPES.items() if type(value) is kind)
    return [kind, str(value)]


def from_noted(noted: list[str] | None) -> Any:
    """The value that `to_noted` wrote down; None for none."""
    return _TYPES[noted[0]][1](noted[1]) if noted else None
