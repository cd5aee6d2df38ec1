"""Which rows of a kind a condition is about: their fields, their time, the first or last of them, and what came after them.

How many there are is tallying.py's business.
"""

from collections.abc import Iterable

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.conditions import (
    all_of,
    any_of,
    literal,
    none_of,
)
from orchestration.audience.counting import (
    came_after,
    is_judged_by_time_alone,
    named,
    rows_of_kind,
    window_of,
)
from orchestration.audience.drafting import Draft
from orchestration.audience.fields import EVENTS, LOOSE, Source
from orchestration.audience.rules import (
    AllFilters,
    AnyFilters,
    Counted,
    EventRule,
    FieldIs,
    Filter,
    NoneFilters,
    Step,
)
from orchestration.audience.saying import said
from orchestration.audience.times import Moment
from orchestration.audience.writing import Cte


def judged(
    draft: Draft, name: str, source: Source, given: Counted
) -> tuple[str, list[exp.Expr]]:
    """The relation of the rows that are asked for, and what has to hold for them."""
    draft.imports[source.relation] = source.model
    relation = source.relation
    kind_of_row = list(rows_of_kind(given))
    kind_of_row += [_filter(draft, source, each) for each in given.among]
    tests = [_filter(draft, source, each) for each in given.where]
    if source.time and (given.take or not (given.when and given.when.has_end)):
        time = exp.column(source.time)
        until_now = [*draft.comparing.window(time, window_of(before=Moment()))]
        (kind_of_row if given.take else tests).extend(until_now)
    window: list[exp.Expr] = []
    if given.when and source.time:
        window = [*draft.comparing.window(exp.column(source.time), given.when)]
        tests = [*window, *tests]
    if given.take and is_judged_by_time_alone(given):
        relation = f"{name}_{given.take}"
        _take_time(draft, relation, source, given, kind_of_row)
        kind_of_row = []
    elif given.take:
        relation = f"{name}_placed"
        _place(draft, relation, source, given, kind_of_row)
        kind_of_row = [exp.EQ(this=exp.column("place"), expression=literal(1))]
    if isinstance(given, EventRule):
        # What came later came after the window's beginning too; saying so spares most of the comparing.
        since: list[exp.Expr] = [
            each for each in window if isinstance(each, exp.GT | exp.GTE)
        ]
        tests += _steps(draft, name, relation, given, since)
    return relation, [*kind_of_row, *tests]


def _take_time(
    draft: Draft, name: str, source: Source, given: Counted, where: list[exp.Expr]
) -> None:
    """Of the first or last row only its time, which needs no order."""
    chosen = "min" if given.take == "first" else "max"
    columns = ["profile_id", f"{chosen}({source.time}) as {source.time}"]
    cte = Cte(
        name, columns, [source.relation], all_of(where), "profile_id", said(given)
    )
    draft.steps.append(cte)


def _place(
    draft: Draft, name: str, source: Source, given: Counted, where: list[exp.Expr]
) -> None:
    direction = "asc" if given.take == "first" else "desc"
    order = ", ".join(f"{by} {direction}" for by in (source.time, *source.ties))
    place = f"row_number() over (partition by profile_id order by {order}) as place"
    if len(place) > 80:
        place = (
            "row_number() over (\n            partition by profile_id\n            "
            f"order by {order}\n        ) as place"
        )
    cte = Cte(name, ["*", place], [source.relation], all_of(where), comment=said(given))
    draft.steps.append(cte)


def _steps(
    draft: Draft,
    name: str,
    relation: str,
    given: EventRule | Step,
    since: list[exp.Expr],
) -> Iterable[exp.Expr]:
    for word, step in (("then", given.then), ("not_then", given.not_then)):
        if step is None:
            continue
        later = f"{name}_{word}"
        where = [
            named(step.event),
            *(each.copy() for each in since),
            *draft.comparing.window(
                exp.column("occurred_at"), window_of(before=Moment())
            ),
            *(_filter(draft, EVENTS, each) for each in step.where),
        ]
        where += _steps(draft, later, "events", step, since)
        draft.steps.append(
            Cte(
                later,
                ["profile_id", "occurred_at", "record_id", *_kept(draft, step)],
                ["events"],
                all_of(each for each in where if each != exp.true()),
                comment=f"{word}: {said(step)}",
            )
        )
        came = came_after(later, relation, step.within, _same(draft, relation, step))
        yield exp.Not(this=came) if word == "not_then" else came


def _kept(draft: Draft, step: Step) -> Iterable[str]:
    """What a later event has to have in common with the one before it."""
    for number, name in enumerate(step.same, 1):
        text = draft.placeholders.filled(field_of(draft, EVENTS, name).sql())
        yield f"{text} as same_{number}"


def _same(draft: Draft, relation: str, step: Step) -> list[exp.Expr]:
    return [
        exp.EQ(
            this=exp.column(f"same_{number}", "later"),
            expression=field_of(draft, EVENTS, name)
            if LOOSE.fullmatch(name)
            else exp.column(name, relation),
        )
        for number, name in enumerate(step.same, 1)
    ]


def _filter(draft: Draft, source: Source, given: Filter) -> exp.Expr:
    match given:
        case AllFilters(all_=inner):
            return all_of(_filter(draft, source, each) for each in inner)
        case AnyFilters(any_=inner):
            return any_of(_filter(draft, source, each) for each in inner)
        case NoneFilters(none_=inner):
            return none_of(_filter(draft, source, each) for each in inner)
        case FieldIs(field=name):
            column = field_of(draft, source, name)
            return draft.comparing.value(
                column, fields.compared_as(source, name), given
            )
    raise TypeError(type(given).__name__)


def field_of(draft: Draft, source: Source, name: str) -> exp.Expr:
    found = LOOSE.fullmatch(name)
    if source is not EVENTS or not found:
        return exp.column(name)
    keys = found[2].removeprefix(".").split(".")
    path = "".join(f".{k}" if k.isidentifier() else f'."{k}"' for k in keys)
    return draft.placeholders.of(f"json_text('{found[1]}', '${path}')")
