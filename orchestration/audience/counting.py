"""Parts of the SQL that counts rows and asks how many there are: the same for every rule.

Which steps a rule needs is tallying.py's business, comparisons of values conditions.py's.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from sqlglot import exp

from orchestration.audience.comparisons import Amount, Window
from orchestration.audience.conditions import (
    COMPARED,
    all_of,
    any_of,
    interval,
    literal,
    parts_of,
)
from orchestration.audience.rules import (
    Counted,
    EventRule,
    OrderLineRule,
    OrderRule,
    Regularly,
    SessionRule,
    SubscriptionRule,
)
from orchestration.audience.times import Duration, Moment

COUNTS = ("row_count", "distinct_count")  # those that are never missing
SINGLE = Amount.model_validate({"at_least": 1})
NONE = Amount.model_validate({"is": 0})
_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "is_": operator.eq,
    "is_not": operator.ne,
    "at_least": operator.ge,
    "at_most": operator.le,
    "more_than": operator.gt,
    "less_than": operator.lt,
}
_OPERATORS = {kind: _HOLDS[word] for word, kind in COMPARED.items()}
# What the rest of a whole has to be.
_MIRRORED = {
    "is_": "is_",
    "is_not": "is_not",
    "at_least": "at_most",
    "at_most": "at_least",
    "more_than": "less_than",
    "less_than": "more_than",
}


def holds(number: int, given: Amount) -> bool:
    """Whether a number is as wanted."""
    return all(_HOLDS[word](number, said) for word, said in given.said(Amount).items())


def rest_of(given: Regularly) -> Amount:
    """How many periods may be otherwise."""
    asked = {
        _MIRRORED[word]: given.of_last - number
        for word, number in given.said(Amount).items()
    }
    return Amount.model_construct(_fields_set={*asked}, **asked)


def counted_column(cte: str, column: str) -> exp.Expr:
    """Nobody's rows are none, not unknown."""
    return exp.Coalesce(
        this=exp.column(column, cte), expressions=[exp.Literal.number(0)]
    )


def needed(where: exp.Expr) -> exp.Column | None:
    """The first column of a step without whose rows a condition cannot hold."""
    for test in parts_of(where):
        holds_for = _OPERATORS.get(type(test))
        if holds_for and isinstance(test.this, exp.Coalesce):
            number = test.expression
            if number.is_number and not holds_for(0, number.to_py()):
                assert isinstance(test.this.this, exp.Column)
                return test.this.this
    return None


def asked_of_counted(where: exp.Expr, needed: exp.Column) -> exp.Expr:
    """A condition as it is asked of the rows of a step that it needs: these are known to be there."""
    step = needed.table
    columns = [counted_column(step, name) for name in (*COUNTS, needed.name)]
    present = where.transform(lambda node: node.this if node in columns else node)
    return all_of([is_known(step), present])


def is_known(relation: str) -> exp.Expr:
    """Rows of nobody have no profile."""
    profile = exp.column("profile_id", relation)
    return exp.Not(this=exp.Is(this=profile, expression=exp.null()))


def mean(cte: str, given: Amount) -> Iterable[exp.Expr]:
    """The comparisons of an average, without a division: engines round in their own ways."""
    for word, value in given.said(Amount).items():
        yield COMPARED[word](
            this=exp.column("value_sum", cte),
            expression=exp.Mul(
                this=literal(value), expression=exp.column("value_count", cte)
            ),
        )


def rows_of_kind(given: Counted) -> Iterable[exp.Expr]:
    """What makes a row one of the kind that was asked for."""
    match given:
        case EventRule(event=names):
            yield from (each for each in [named(names)] if each != exp.true())
        case OrderRule(orders="purchases"):
            yield exp.column("is_purchase")
        case OrderRule(orders="carts"):
            states = [literal("incomplete"), literal("checkout")]
            yield exp.In(this=exp.column("state"), expressions=states)
        case OrderLineRule():
            yield exp.Not(
                this=exp.Is(this=exp.column("ordered_at"), expression=exp.null())
            )
        case SessionRule(sessions=which):
            yield exp.Not(this=exp.column("is_bot"))
            if which == "engaged":
                yield exp.column("is_engaged")
        case SubscriptionRule(subscriptions="running"):
            yield exp.Not(this=exp.column("is_ended"))


def is_judged_by_time_alone(given: Counted) -> bool:
    """Whether nothing but the time of a row that was taken is asked for."""
    is_measured = given.total or given.average or given.distinct
    is_followed = isinstance(given, EventRule) and (given.then or given.not_then)
    return not (given.where or is_measured or is_followed)


def named(names: tuple[str, ...]) -> exp.Expr:
    if "any" in names:
        return exp.true()
    column = exp.column("canonical_name")
    if len(names) == 1:
        return exp.EQ(this=column, expression=literal(names[0]))
    return exp.In(this=column, expressions=[literal(name) for name in names])


def came_after(
    later: str, relation: str, within: Duration | None, same: list[exp.Expr]
) -> exp.Expr:
    def column(name: str, of: str) -> exp.Expr:
        return exp.column(name, of)

    time, before = column("occurred_at", "later"), column("occurred_at", relation)
    tests: list[exp.Expr] = [
        exp.EQ(
            this=column("profile_id", "later"),
            expression=column("profile_id", relation),
        ),
        any_of(
            [
                exp.GT(this=time, expression=before),
                all_of(
                    [
                        exp.EQ(this=time.copy(), expression=before.copy()),
                        exp.GT(
                            this=column("record_id", "later"),
                            expression=column("record_id", relation),
                        ),
                    ]
                ),
            ]
        ),
    ]
    if within:
        end = exp.Add(this=before.copy(), expression=interval(within))
        tests.append(exp.LTE(this=time.copy(), expression=end))
    tests += same
    found = exp.select("1").from_(exp.alias_(exp.to_table(later), "later", table=True))
    return exp.Exists(this=found.where(*tests))


def window_of(**words: Moment | Duration) -> Window:
    return Window.model_construct(_fields_set=set(words), **words)  # type: ignore[arg-type]
