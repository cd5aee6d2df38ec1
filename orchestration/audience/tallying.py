"""Conditions on rows: how many a person has, what they add up to, and in how many periods.

Which rows count is judging.py's business.
"""

from sqlglot import exp

from orchestration.audience import fields
from orchestration.audience.conditions import (
    all_of,
    amount,
    number_of,
)
from orchestration.audience.counting import (
    SINGLE,
    counted_column,
    holds,
    mean,
    rest_of,
    window_of,
)
from orchestration.audience.drafting import Draft
from orchestration.audience.fields import Source
from orchestration.audience.judging import field_of, judged
from orchestration.audience.mistakes import source_of
from orchestration.audience.rules import (
    Counted,
    Regularly,
)
from orchestration.audience.saying import said
from orchestration.audience.times import Moment
from orchestration.audience.writing import Cte


def counted(draft: Draft, given: Counted) -> exp.Expr:
    """Rows that hold, counted or added up per person."""
    source = source_of(given)
    if given.regularly:
        return _regular(draft, source, given, given.regularly)
    asked = given.model_copy(
        update=dict.fromkeys(("count", "total", "average", "distinct"))
    )
    measured = [
        given.total and given.total.of,
        given.average and given.average.of,
        given.distinct and given.distinct.of,
    ]
    name, is_new = draft.join((type(given), asked, measured), source.relation)
    if is_new:
        _count(draft, name, source, given)
    tests: list[exp.Expr] = []
    if given.count or not (given.total or given.average or given.distinct):
        tests += amount(counted_column(name, "row_count"), given.count or SINGLE)
    if given.total:
        tests += amount(counted_column(name, "total"), given.total)
    if given.average:
        tests += mean(name, given.average)
    if given.distinct:
        tests += amount(counted_column(name, "distinct_count"), given.distinct)
    return all_of(tests)


def _regular(
    draft: Draft, source: Source, given: Counted, regularly: Regularly
) -> exp.Expr:
    """Periods that have so many rows. Where none are enough, those that have too many: the others have no row here."""
    wanted = given.count or SINGLE
    none_are_enough = holds(0, wanted)
    name, is_new = draft.join((type(given), given), source.relation)
    if is_new:
        where = all_of(amount(exp.column("row_count"), wanted))
        where = exp.not_(where) if none_are_enough else where
        comment = f"{said(given)}: periods that have {'not ' * none_are_enough}so many"
        _count_periods(draft, name, source, given, regularly)
        draft.steps.append(
            Cte(
                name,
                ["profile_id", "count(*) as row_count"],
                [f"{name}_periods"],
                where,
                "profile_id",
                comment,
            )
        )
    periods = rest_of(regularly) if none_are_enough else regularly
    return all_of(amount(counted_column(name, "row_count"), periods))


def _count_periods(
    draft: Draft,
    name: str,
    source: Source,
    given: Counted,
    regularly: Regularly,
) -> None:
    """How many rows a person has in each period."""
    assert source.time
    rows, periods = f"{name}_rows", f"{name}_periods"
    last = window_of(last=regularly.every.times(regularly.of_last))
    relation, where = judged(
        draft, name, source, given.model_copy(update={"when": last})
    )
    time = exp.column(source.time)
    lines = [
        f"            when {draft.line(began)} then {number}"
        for number in range(1, regularly.of_last)
        for began in draft.comparing.window(
            time, window_of(since=Moment(shift=regularly.every.times(number)))
        )
    ]
    lines = ["case", *lines, f"            else {regularly.of_last}"]
    place = "\n".join([*lines, "        end as period"])
    if regularly.of_last == 1:
        place = "1 as period"
    draft.steps += [
        Cte(
            rows,
            ["*", place],
            [relation],
            all_of(where),
            comment=f"What {name} counts, each in its period; the last one is 1",
        ),
        Cte(
            periods,
            ["profile_id", "period", "count(*) as row_count"],
            [rows],
            None,
            "profile_id, period",
        ),
    ]


def _count(draft: Draft, name: str, source: Source, given: Counted) -> None:
    relation, where = judged(draft, name, source, given)
    columns = ["profile_id", "count(*) as row_count"]
    if given.total:
        columns.append(f"sum({_number(draft, source, given.total.of)}) as total")
    if given.average:
        number = _number(draft, source, given.average.of)
        columns += [
            f"sum({number}) as value_sum",
            f"count({number}) as value_count",
        ]
    if given.distinct:
        field = field_of(draft, source, given.distinct.of)
        text = draft.placeholders.filled(field.sql(dialect="duckdb"))
        columns.append(f"count(distinct {text}) as distinct_count")
    draft.steps.append(
        Cte(
            name,
            columns,
            [relation],
            all_of(where) if where else None,
            "profile_id",
            "" if given.take else said(given),
        )
    )


def _number(draft: Draft, source: Source, name: str) -> str:
    field = field_of(draft, source, name)
    is_loose = fields.compared_as(source, name) == "loose"
    return draft.line(number_of(field) if is_loose else field)
