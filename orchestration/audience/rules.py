"""Rule files as pydantic models: what may be asked about a person, and the words for it.

What each word means is said here and in comparisons.py, once; audiences/README.md shows them. Which columns there are
is fields.py's business, reading a file and telling mistakes is loading.py's, SQL is compiling.py's.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictInt,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

from orchestration.audience.comparisons import (
    Amount,
    Comparison,
    Number,
    Part,
    Span,
    Text,
    Window,
)


class FieldIs(Comparison):
    """A field of an event, order, session, subscription or order line; of events also `properties.…` and `context.…`."""

    field: Text


class AllFilters(Part):
    all_: tuple["Filter", ...] = Field(alias="all")


class AnyFilters(Part):
    any_: tuple["Filter", ...] = Field(alias="any")


class NoneFilters(Part):
    none_: tuple["Filter", ...] = Field(alias="none")


class Counted(Part):
    """Rows of a kind, and how many of them a person must have: at least one when nothing is said."""

    where: tuple["Filter", ...] = ()
    """All of these hold for the row."""
    among: tuple["Filter", ...] = ()
    """`take` chooses from the rows for which all of these hold."""
    when: Window | None = None
    take: Literal["first", "last"] | None = None
    """Only the person's first or last row until as_of is looked at; `where` and `when` then judge that one."""
    count: Amount | None = None
    total: "Measure | None" = None
    """The sum of a field; 0 where there is nothing to add."""
    average: "Measure | None" = None
    """The mean of a field's values; without any there is none, and it satisfies no comparison."""
    distinct: "Measure | None" = None
    """How many different values a field has."""
    regularly: "Regularly | None" = None
    """In how many of the periods before as_of there are so many rows; `count` says how many."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.take and self.when and self.when.next:
            raise ValueError("`take` looks back from as_of, so `next` finds nothing")
        if self.among and not self.take:
            raise ValueError("`among` is what `take` chooses from; write `where`")
        beside = {
            "when",
            "take",
            "total",
            "average",
            "distinct",
        } & self.model_fields_set
        if self.regularly and beside:
            raise ValueError(
                f"`regularly` counts rows in each of its periods; leave out `{min(beside)}`"
            )
        return self


class Measure(Amount):
    of: Text


class Regularly(Amount):
    """In how many of the last periods, which end at as_of one before the other. Like `last`, each includes its beginning only."""

    every: Span
    """The length of a period."""
    of_last: Annotated[StrictInt, Field(ge=1, le=60)]
    """How many periods are looked at."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        wanted = max(self.at_least or 0, self.is_ or 0, (self.more_than or -1) + 1)
        if wanted > self.of_last:
            raise ValueError(f"asks for {wanted} of {self.of_last} periods")
        return self


class Step(Part):
    """What came afterwards: later than the event before it, by time and then by record."""

    event: "EventNames"
    where: tuple["Filter", ...] = ()
    within: Span | None = None
    """At most so long after the event before it, exactly so long included."""
    same: tuple[Text, ...] = ()
    """Fields that have the same value as at the event before it; a missing value is the same as nothing."""
    then: "Step | None" = None
    not_then: "Step | None" = None


def _names(given: object) -> object:
    """One name or several. Raises ValueError with a sentence about one that was written as it was sent."""
    names = (given,) if isinstance(given, str) else given
    if given in ("", []) or (isinstance(given, list) and "" in given):
        raise ValueError("names no event: write its canonical name, or `any`")
    for name in names if isinstance(names, list | tuple) else ():
        if isinstance(name, str) and not re.fullmatch(r"[a-z0-9_]+", name):
            canonical = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            raise ValueError(
                f"{name!r} is a name as it is sent; write the canonical one, `{canonical}`"
            )
    return names


EventNames = Annotated[
    tuple[StrictStr, ...], Field(min_length=1), BeforeValidator(_names)
]


class EventRule(Counted):
    """Events by their canonical names (event_taxonomy); `any` is every event."""

    event: EventNames
    then: Step | None = None
    """An event counts only when this came afterwards."""
    not_then: Step | None = None
    """An event counts only when this did not come afterwards."""


class OrderRule(Counted):
    """`purchases` at the time of ordering; `carts` (left or in use) and `any` at the time of the last activity."""

    orders: Literal["purchases", "carts", "any"]


class OrderLineRule(Counted):
    """Lines of orders that were bought, at the time of ordering."""

    order_lines: Literal["bought"]


class SessionRule(Counted):
    """Sessions by their start; bots have none."""

    sessions: Literal["any", "engaged"]


class SubscriptionRule(Counted):
    """Subscriptions: `running` ones are not over at as_of. They have no time of their own; ask their fields."""

    subscriptions: Literal["any", "running"]

    @field_validator("when", "take", "regularly")
    @classmethod
    def _has_no_time(cls, given: object) -> object:
        if given is not None:
            raise ValueError(
                "a subscription has no time of its own; ask a field: "
                "`where: [{field: contract_ends_at, next: 30 days}]`"
            )
        return given


class ProfileRule(Comparison):
    """A trait: a column of dim_profiles."""

    profile: Text


class AttributeRule(Comparison):
    """Any attribute that was ever told, by its path, as it stands at as_of."""

    ENOUGH = ("changed",)

    attribute: Text
    for_: Span | None = Field(None, alias="for")
    """The comparison has held without a break for at least so long, exactly so long included."""
    changed: Window | None = None
    """When what stands came: a value, or that it was removed."""

    @model_validator(mode="after")
    def _says_what_has_held(self) -> Self:
        if self.for_ and not self.said(Comparison):
            raise ValueError(
                "`for` says how long something has held; add `is: …` or `exists: true`, for example"
            )
        return self


class ConsentRule(Part):
    """`granted`: some contact point agreed and did not refuse. `denied`: some contact point refused."""

    consent: Text
    """The purpose."""
    is_: Literal["granted", "denied"] = Field("granted", alias="is")
    channel: Text | None = None
    """Words about this channel and about all channels count. Any word counts when it is left out."""
    contact: Text | None = None
    """Only contact points of this type, such as `email`."""


class AudienceRule(Part):
    """Membership in another audience."""

    audience: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class SampleRule(Part):
    """A share of all people, drawn by a hash of their id: always the same people, others under another name."""

    sample: Text
    """The name of the draw. A smaller share of the same draw is part of a larger one."""
    percent: Annotated[Number, Field(ge=0, le=100)]

    @field_validator("percent")
    @classmethod
    def _can_be_drawn(cls, given: Decimal) -> Decimal:
        if given * 100 % 1:
            raise ValueError("shares are drawn to a hundredth of a percent")
        return given


class All(Part):
    """Every one holds; so it holds when there are none."""

    all_: tuple["Condition", ...] = Field(alias="all")


class Any_(Part):  # noqa: N801 - `Any` is taken
    """At least one holds; so it does not hold when there are none."""

    any_: tuple["Condition", ...] = Field(alias="any")


class None_(Part):  # noqa: N801 - as above
    """None holds: exactly where `any` would not."""

    none_: tuple["Condition", ...] = Field(alias="none")


# The first word of a condition says what it is about.
CONDITIONS: dict[str, type[Part]] = {
    "all": All,
    "any": Any_,
    "none": None_,
    "profile": ProfileRule,
    "attribute": AttributeRule,
    "event": EventRule,
    "orders": OrderRule,
    "order_lines": OrderLineRule,
    "sessions": SessionRule,
    "subscriptions": SubscriptionRule,
    "consent": ConsentRule,
    "audience": AudienceRule,
    "sample": SampleRule,
}
FILTERS: dict[str, type[Part]] = {
    "all": AllFilters,
    "any": AnyFilters,
    "none": NoneFilters,
    "field": FieldIs,
}


def _subject(kinds: dict[str, type[Part]]) -> Any:
    def find(given: Any) -> str | None:
        if isinstance(given, Part):
            return next(word for word, kind in kinds.items() if type(given) is kind)
        named = [word for word in kinds if isinstance(given, dict) and word in given]
        return named[0] if len(named) == 1 else None

    return Discriminator(
        find,
        custom_error_type="subject",
        custom_error_message=f"has to name exactly one of {', '.join(kinds)}",
    )


Condition = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[None_, Tag("none")]
    | Annotated[ProfileRule, Tag("profile")]
    | Annotated[AttributeRule, Tag("attribute")]
    | Annotated[EventRule, Tag("event")]
    | Annotated[OrderRule, Tag("orders")]
    | Annotated[OrderLineRule, Tag("order_lines")]
    | Annotated[SessionRule, Tag("sessions")]
    | Annotated[SubscriptionRule, Tag("subscriptions")]
    | Annotated[ConsentRule, Tag("consent")]
    | Annotated[AudienceRule, Tag("audience")]
    | Annotated[SampleRule, Tag("sample")],
    _subject(CONDITIONS),
]
Filter = Annotated[
    Annotated[AllFilters, Tag("all")]
    | Annotated[AnyFilters, Tag("any")]
    | Annotated[NoneFilters, Tag("none")]
    | Annotated[FieldIs, Tag("field")],
    _subject(FILTERS),
]


class Size(Part):
    """How many members are expected; outside of it the refresh warns."""

    from_: StrictInt = Field(0, alias="from", ge=0)
    to: StrictInt | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.to is not None and self.to < self.from_:
            raise ValueError(f"nothing lies from {self.from_} to {self.to}")
        return self


class Rule(Part):
    """One rule file: an audience. Its name is the file's."""

    description: Text
    owner: Text
    purpose: Text
    who: Condition
    exclude: tuple[str, ...] = ()
    """Audiences whose members are not in this one."""
    tell: tuple[str, ...] = ()
    """Traits that destinations are told. What changes with the clock alone cannot be one."""
    destinations: tuple[str, ...] = ()
    expected_size: Size | None = None
    holdout_percent: Number | None = Field(None, ge=0, le=100)
    holdout_salt: Text | None = None

    def condition(self) -> "Condition":
        """What decides, exclusions included."""
        if not self.exclude:
            return self.who
        excluded = tuple(AudienceRule(audience=name) for name in self.exclude)
        return All(all=(self.who, None_(none=excluded)))


def leaves(condition: "Condition") -> Iterator[Part]:
    """The conditions that are no groups."""
    match condition:
        case All(all_=inner) | Any_(any_=inner) | None_(none_=inner):
            for each in inner:
                yield from leaves(each)
        case _:
            yield condition


_INCOMPLETE: tuple[type[Part], ...] = (
    *(AllFilters, AnyFilters, NoneFilters, Counted, Step, EventRule, OrderRule),
    *(OrderLineRule, SessionRule, SubscriptionRule, All, Any_, None_, Rule),
)
for _model in _INCOMPLETE:
    _model.model_rebuild()
