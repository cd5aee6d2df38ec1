"""A condition in the words of its rule file, for the comment over what it was compiled to."""

from decimal import Decimal

from orchestration.audience.comparisons import Part
from orchestration.audience.rules import CONDITIONS, FILTERS


def said(given: Part) -> str:
    """A condition in the words of its file, on one line, what it is about first."""
    words = {
        field.alias or name: getattr(given, name)
        for name, field in type(given).model_fields.items()
        if name in given.model_fields_set
    }
    subjects = {**CONDITIONS, **FILTERS}
    ordered = sorted(words, key=lambda word: word not in subjects)
    return ", ".join(f"{word}: {_value(words[word])}" for word in ordered)


def _value(value: object) -> str:
    if isinstance(value, Part):
        return "{" + said(value) + "}"
    if isinstance(value, tuple):
        if len(value) == 1 and isinstance(value[0], str):
            return value[0]
        return "[" + ", ".join(_value(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
