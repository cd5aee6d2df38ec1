"""The words that compare: amounts, times, texts, and what several kinds of conditions are made of.

What each word means is said here, once; audiences/README.md shows them. Which conditions there are is rules.py's business.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from orchestration.audience.times import Duration, Moment, parse_duration, parse_moment


def _number(value: object) -> object:
    """YAML's floats become the decimals that were written."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def _regular_expression(given: object) -> object:
    """What every engine reads alike. Raises ValueError with a sentence."""
    if not isinstance(given, str):
        return given
    if found := _OF_ONE_ENGINE.search(given):
        raise ValueError(
            f"{given!r} has `{found[0]}`, which not every engine reads alike; "
            "write `[0-9]`, `[a-z]`, `[.]` and their like, and groups as `(…)`"
        )
    try:
        re.compile(given)
    except re.error as error:
        raise ValueError(f"{given!r} is no regular expression: {error}") from error
    return given


def _takes_time(given: Duration) -> Duration:
    """Raises ValueError with a sentence."""
    if given.number == 0:
        raise ValueError(
            f"nothing happens within {given}; write `1 {given.unit}`, for example"
        )
    return given


_OF_ONE_ENGINE = re.compile(r"\\|\(\?|\[\[|&&|[*+?}]\+")
Length = Annotated[Duration, BeforeValidator(parse_duration)]
# Of a window or a period: nothing happens within no time.
Span = Annotated[Duration, BeforeValidator(parse_duration), AfterValidator(_takes_time)]
Instant = Annotated[Moment, BeforeValidator(parse_moment)]
# Nothing is read as what it is not: "30" is a text.
Number = Annotated[StrictInt | Annotated[Decimal, Strict()], BeforeValidator(_number)]
Value = Annotated[
    StrictBool
    | StrictInt
    | Annotated[Decimal, Strict()]
    | Annotated[datetime, Strict()]
    | Annotated[date, Strict()]
    | StrictStr,
    Field(union_mode="left_to_right"),
    BeforeValidator(_number),
]
Pattern = Annotated[
    StrictStr, Field(min_length=1), BeforeValidator(_regular_expression)
]
Values = Annotated[tuple[Value, ...], Field(min_length=1)]
Text = Annotated[StrictStr, Field(min_length=1)]


class Part(BaseModel):
    """Part of a rule; an unknown word is a mistake."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=False,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, given: Any) -> Any:
        empty = (
            [k for k, v in given.items() if v is None]
            if isinstance(given, dict)
            else []
        )
        if empty:
            raise ValueError(
                f"`{empty[0]}` has no value; for what is missing write `exists: false`"
            )
        return given

    def said(self, words: type["Part"] | None = None) -> dict[str, Any]:
        """The words that were written, by their names here; only those of `words` when it is given."""
        known = words.model_fields if words else type(self).model_fields
        return {
            name: getattr(self, name)
            for name in known
            if name in self.model_fields_set and name != "ignoring_case"
        }


class Window(Part):
    """When something happened. Several words all have to hold.

    Without a word for the end (`last`, `next`, `until`, `before`, `on`), rows at or after as_of do not count.
    """

    last: Span | None = None
    """At most so long before as_of, exactly so long included; before as_of itself."""
    next: Span | None = None
    """From as_of, itself included, to so long after it, not included."""
    since: Instant | None = None
    """At that time or later."""
    until: Instant | None = None
    """At that time or earlier."""
    after: Instant | None = None
    """Later than that time."""
    before: Instant | None = None
    """Earlier than that time."""
    on: Instant | None = None
    """On the day, in UTC, of that time."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if type(self) is Window and not self.said():
            raise ValueError("says no time: write `{last: 30 days}`, for example")
        return self

    @property
    def has_end(self) -> bool:
        return bool({"last", "next", "until", "before", "on"} & self.model_fields_set)


class Amount(Part):
    """A comparison of numbers. Several words all have to hold."""

    is_: Number | None = Field(None, alias="is")
    is_not: Number | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if not self.said(Amount):
            raise ValueError("says no number: add `at_least: 1`, for example")
        return self


# At most a year: everybody has an anniversary in more.
YEAR_IN = {"day": 365, "week": 52, "month": 12, "year": 1}


class Anniversary(Part):
    """When the month and day of a date come again, a year after it at the earliest. Counted in whole days.

    29 February comes again on 28 February where there is no other.
    """

    last: Length | None = None
    """On one of so many days before the day of as_of."""
    next: Length | None = None
    """On the day of as_of or one of those after it, so many in all."""
    on: Instant | None = None
    """On the day, in UTC, of that time."""

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if not self.said():
            raise ValueError("says no day: write `{next: 7 days}`, for example")
        for length in (self.last, self.next):
            if length and length.number > YEAR_IN.get(length.unit, 0):
                raise ValueError(
                    f"{length} is no part of a year in whole days, such as `7 days` or `1 month`"
                )
        return self


class Comparison(Window):
    """A comparison of one value. Several words all have to hold; a missing value satisfies none but `exists: false`."""

    ENOUGH: ClassVar[tuple[str, ...]] = ()
    """Words beside the comparison's own that say something by themselves."""

    is_: Value | None = Field(None, alias="is")
    is_not: Value | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    in_: Values | None = Field(None, alias="in")
    not_in: Values | None = None
    contains: Text | None = None
    includes: Text | None = None
    """A list has this among its entries, or a single value is this."""
    starts_with: Text | None = None
    ends_with: Text | None = None
    matches: Pattern | None = None
    """A regular expression is found somewhere in the text."""
    anniversary: Anniversary | None = None
    """A time's month and day come again then."""
    exists: StrictBool | None = None
    ignoring_case: StrictBool = False
    """Whether texts are compared without regard to case. They are exact otherwise."""

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if not self.said(Comparison) and not {*self.ENOUGH} & self.model_fields_set:
            raise ValueError("says nothing: add `is: …` or `exists: true`, for example")
        if self.exists is False and len(self.said(Comparison)) > 1:
            raise ValueError(
                "`exists: false` asks for what is missing, and nothing else holds of that; leave out one or the other"
            )
        return self
