"""What is wrong with a rule whose form is right: names that do not exist, comparisons that cannot be.

What the form is, is rules.py's business; files are loading.py's.
"""

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches

from orchestration.audience import fields
from orchestration.audience.comparisons import Comparison, Window
from orchestration.audience.fields import Source
from orchestration.audience.rules import (
    AllFilters,
    AnyFilters,
    AttributeRule,
    AudienceRule,
    ConsentRule,
    Counted,
    EventRule,
    FieldIs,
    Filter,
    NoneFilters,
    OrderLineRule,
    OrderRule,
    ProfileRule,
    Rule,
    SessionRule,
    Step,
    SubscriptionRule,
    leaves,
)

EQUAL = ("is_", "is_not", "in_", "not_in")
TEXTUAL = ("contains", "starts_with", "ends_with", "matches")
TIMELY = (*Window.model_fields, "anniversary")
CURRENCIES = ("currency", "main_currency")
CURRENCY = re.compile("[A-Z]{3}")
NUMERIC = ("at_least", "at_most", "more_than", "less_than")


def mistakes(rule: Rule, name: str, known: set[str]) -> Iterator[str]:
    """Sentences about the audience `name`; `known` are all that there are."""
    for audience in rule.exclude:
        yield from _audience(audience, known, name)
    yield from _unknown("purpose", rule.purpose, fields.purposes())
    for destination in rule.destinations:
        yield from _unknown("destination", destination, fields.destinations())
    for told in rule.tell:
        if fields.AGEING.search(told):
            yield (
                f"`tell` names `{told}`, which changes with the clock alone: it would be sent again "
                "without anything happening; remove it"
            )
        yield from _asked(fields.PROFILES, told)
    for leaf in leaves(rule.who):
        match leaf:
            case AudienceRule(audience=audience):
                yield from _audience(audience, known, name)
            case ProfileRule(profile=column):
                yield from _comparison(fields.PROFILES, column, leaf)
            case AttributeRule():
                yield from _operands("loose", f"attribute `{leaf.attribute}`", leaf)
            case ConsentRule():
                yield from _consent(leaf)
            case Counted():
                yield from _counted(leaf)
            case _:
                pass


def _audience(audience: str, known: set[str], name: str) -> Iterator[str]:
    if audience == name:
        yield f"audience `{audience}` is the file's own; an audience cannot be made of itself"
    elif audience not in known:
        near = get_close_matches(audience, known, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`?" if near else "there is none yet"
        yield f"there is no audience `{audience}`; {hint}"


def _unknown(kind: str, name: str, known: Collection[str]) -> Iterator[str]:
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
        yield f"there is no {kind} `{name}`; {hint}"


def _consent(rule: ConsentRule) -> Iterator[str]:
    yield from _unknown("purpose", rule.consent, fields.purposes())
    if rule.channel:
        yield from _unknown("channel", rule.channel, fields.channels())
    if rule.contact:
        contacts = ("email", "phone", *fields.identifier_types())
        yield from _unknown("contact point", rule.contact, contacts)


def _events(names: Collection[str]) -> Iterator[str]:
    """A name that is nearly one of the taxonomy's is taken for a slip; others are events of their own."""
    known = fields.events()
    for name in names:
        near = get_close_matches(name, known, n=1, cutoff=0.9)
        kept = fields.canonical_event(name)
        if kept and name not in known:
            yield f"event `{name}` is called `{kept}` here, by the seed event_taxonomy; write that"
        elif near and name not in known:
            yield (
                f"the seed event_taxonomy has no event `{name}`; did you mean `{near[0]}`? "
                "If it is another one, give it a line there"
            )


def source_of(rule: Counted) -> Source:
    match rule:
        case EventRule():
            return fields.EVENTS
        case OrderRule(orders=which):
            return fields.PURCHASES if which == "purchases" else fields.ORDERS
        case OrderLineRule():
            return fields.ORDER_LINES
        case SessionRule():
            return fields.SESSIONS
        case SubscriptionRule():
            return fields.SUBSCRIPTIONS
    raise TypeError(type(rule).__name__)


def _counted(rule: Counted) -> Iterator[str]:
    source = source_of(rule)
    for each in (*rule.where, *rule.among):
        yield from _filter(source, each)
    for word, measure in (("total", rule.total), ("average", rule.average)):
        if measure:
            yield from _sum(source, rule, word, measure.of)
    if rule.distinct:
        yield from _asked(source, rule.distinct.of)
    if isinstance(rule, EventRule):
        yield from _events(rule.event)
        for step in (rule.then, rule.not_then):
            yield from _step(step)


def _step(step: Step | None) -> Iterator[str]:
    if step:
        yield from _events(step.event)
        for each in step.where:
            yield from _filter(fields.EVENTS, each)
        for name in step.same:
            yield from _asked(fields.EVENTS, name)
        for later in (step.then, step.not_then):
            yield from _step(later)


def _sum(source: Source, rule: Counted, word: str, name: str) -> Iterator[str]:
    try:
        kind = fields.kind_of(source, name)
    except ValueError as error:
        yield str(error)
        return
    if kind not in ("number", "loose"):
        yield f"`{word}` adds up numbers, and `{name}` is {kind}"
    is_money = fields.columns(source.model).get(name) == "decimal(18,2)"
    one_currency = any(
        isinstance(each, FieldIs) and each.field == "currency" and each.is_ is not None
        for each in rule.where
    )
    if is_money and not one_currency:
        yield (
            f"`{word}` of `{name}` would add up currencies; name one: "
            "`where: [{field: currency, is: EUR}]`"
        )


def _filter(source: Source, given: Filter) -> Iterator[str]:
    match given:
        case AllFilters(all_=inner) | AnyFilters(any_=inner) | NoneFilters(none_=inner):
            for each in inner:
                yield from _filter(source, each)
        case FieldIs(field=name):
            yield from _comparison(source, name, given)


def _asked(source: Source, name: str) -> Iterator[str]:
    try:
        fields.kind_of(source, name)
    except ValueError as error:
        yield str(error)


def _comparison(source: Source, name: str, given: Comparison) -> Iterator[str]:
    try:
        kind = fields.kind_of(source, name)
    except ValueError as error:
        yield str(error)
        return
    yield from _operands(kind, f"`{name}`", given)
    if kind == "text" and not given.ignoring_case:
        for word, value in given.said(Comparison).items():
            if word in EQUAL:
                operands = value if isinstance(value, tuple) else (value,)
                yield from _impossible(source, name, operands)


def _impossible(
    source: Source, name: str, operands: Collection[object]
) -> Iterator[str]:
    """A currency is written in capitals, and some columns have few values."""
    known = fields.values(source, name)
    for operand in operands:
        if not isinstance(operand, str):
            continue
        if name in CURRENCIES and not CURRENCY.fullmatch(operand):
            yield f"`{name}` is never `{operand}`; write the code of ISO 4217, such as `EUR`"
        if known and operand not in known:
            near = get_close_matches(operand, known, n=1, cutoff=0.4)
            hint = (
                f"did you mean `{near[0]}`?"
                if near
                else f"there are {', '.join(known)}"
            )
            yield f"`{name}` is never `{operand}`; {hint}"


# kind → the words that fit it beside `exists`, and the types of what it can be compared with.
FITTING: dict[str, tuple[tuple[str, ...], tuple[type, ...], str]] = {
    "text": ((*EQUAL, *TEXTUAL), (str,), "a text; write the value in quotes"),
    "number": ((*EQUAL, *NUMERIC), (int, Decimal), "a number"),
    "boolean": (("is_", "is_not"), (bool,), "true or false"),
    "time": (
        TIMELY,
        (),
        "a time; ask with `last`, `next`, `on`, `since`, `until`, `after`, `before` or `anniversary`",
    ),
    "loose": (
        (*EQUAL, *NUMERIC, *TEXTUAL, "includes", *TIMELY),
        (str, int, Decimal, bool),
        "as it was sent; write a date in quotes, or ask with `on`",
    ),
}


def _operands(kind: str, what: str, given: Comparison) -> Iterator[str]:
    words, types, is_like = FITTING[kind]
    for word, value in given.said(Comparison).items():
        if word == "exists":
            continue
        if word not in words:
            yield f"{what} is {is_like}; `{word.rstrip('_')}` does not fit it"
            continue
        operands = value if isinstance(value, tuple) else (value,)
        for operand in operands if word in EQUAL else ():
            is_fit = isinstance(operand, types) and (
                not isinstance(operand, bool) or bool in types
            )
            if not is_fit or isinstance(operand, date | datetime):
                yield f"{what} is {is_like}; it cannot be compared with {operand!r}"
