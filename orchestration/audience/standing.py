"""Which changes of an attribute say what it was at a moment, and what it has been since one.

Reads fct_attribute_changes, where a value holds from changed_at until superseded_at. What is compared with the value is
attributes.py's business.
"""

from collections.abc import Iterable

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.comparisons import Window
from orchestration.audience.conditions import Comparing, all_of, any_of, literal
from orchestration.audience.counting import window_of
from orchestration.audience.times import Moment


def stood(comparing: Comparing, path: str, moment: Moment) -> Iterable[exp.Expr]:
    """What an attribute was at a moment; what came at that very moment counts."""
    yield _is_at(path)
    yield from comparing.window(exp.column("changed_at"), window_of(until=moment))
    yield _superseded(comparing, window_of(after=moment))


def stood_since(comparing: Comparing, path: str, began: Moment) -> Iterable[exp.Expr]:
    """What an attribute was at any time from then until now. What was superseded as it came never stood."""
    yield _is_at(path)
    yield from comparing.window(exp.column("changed_at"), window_of(until=Moment()))
    had_time = exp.GT(
        this=exp.column("superseded_at"), expression=exp.column("changed_at")
    )
    yield _superseded(comparing, window_of(after=began), had_time)


def _is_at(path: str) -> exp.Expr:
    """However a sender spells it."""
    return exp.EQ(
        this=exp.column("path"), expression=literal(fields.canonical_path(path))
    )


def _superseded(comparing: Comparing, window: Window, *tests: exp.Expr) -> exp.Expr:
    column = exp.column("superseded_at")
    later = comparing.window(column, window)
    still = exp.Is(this=column.copy(), expression=exp.null())
    return any_of([still, all_of([*later, *tests])])
