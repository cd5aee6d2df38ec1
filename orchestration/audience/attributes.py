"""Conditions on attributes: what stands now, since when, and whether it has held.

Which changes say so is standing.py's business.
"""

from collections.abc import Iterable

from sqlglot import exp

from orchestration.audience.comparisons import Comparison, Window
from orchestration.audience.conditions import (
    all_of,
    amount,
    none_of,
)
from orchestration.audience.counting import (
    NONE,
    SINGLE,
    counted_column,
)
from orchestration.audience.drafting import Draft
from orchestration.audience.rules import (
    AttributeRule,
)
from orchestration.audience.saying import said
from orchestration.audience.standing import stood, stood_since
from orchestration.audience.times import Duration, Moment
from orchestration.audience.writing import Cte


def attribute(draft: Draft, given: AttributeRule) -> exp.Expr:
    asked: list[exp.Expr] = []
    if given.for_:
        asked += _held(draft, given, given.for_)
    elif given.said(Comparison):
        name = _standing(draft, given)
        value, moment = exp.column("value", name), exp.column("moment", name)
        asked.append(draft.comparing.value(value, "loose", given, moment))
    if given.changed:
        at = exp.column("changed_at", _standing(draft, given))
        asked += draft.comparing.window(at, given.changed)
    return all_of(asked)


def _standing(draft: Draft, given: AttributeRule) -> str:
    """The CTE of what an attribute is now: what is asked of it."""
    told = _told(draft)
    columns = ["profile_id", f"{draft.line(told)} as value"]
    if given.said(Window) or given.anniversary:
        moment = draft.comparing.time(told, "loose")
        columns.append(f"{draft.line(moment)} as moment")
    if given.changed:
        columns.append("changed_at")
    name, is_new = draft.join((given.attribute, columns), "attribute")
    if is_new:
        now = all_of(stood(draft.comparing, given.attribute, Moment()))
        comment = f"attribute: {given.attribute}"
        draft.steps.append(
            Cte(name, columns, ["attribute_changes"], now, comment=comment)
        )
    return name


def _held(draft: Draft, given: AttributeRule, length: Duration) -> Iterable[exp.Expr]:
    """Something stood when the time began, and nothing since then that the comparison does not hold for."""
    began = Moment(shift=length)
    if given.exists is not False:
        name, is_new = draft.join((given.attribute, length), "attribute")
        if is_new:
            comment = f"attribute: {given.attribute}, as it was {began}"
            where = all_of(stood(draft.comparing, given.attribute, began))
            _count_changes(draft, name, where, comment)
        yield from amount(counted_column(name, "row_count"), SINGLE)
    name, is_new = draft.join(given, "attribute")
    if is_new:
        value = draft.comparing.value(_told(draft), "loose", given)
        where = all_of(
            [*stood_since(draft.comparing, given.attribute, began), none_of([value])]
        )
        _count_changes(draft, name, where, f"{said(given)}: what speaks against it")
    yield from amount(counted_column(name, "row_count"), NONE)


def _count_changes(draft: Draft, name: str, where: exp.Expr, comment: str) -> None:
    columns = ["profile_id", "count(*) as row_count"]
    cte = Cte(name, columns, ["attribute_changes"], where, "profile_id", comment)
    draft.steps.append(cte)


def _told(draft: Draft) -> exp.Expr:
    draft.imports["attribute_changes"] = "fct_attribute_changes"
    return draft.placeholders.of("json_text('new_value', '$')")
