"""Comparisons of rule files as SQL expressions. A missing value makes a comparison NULL, which counts as false.

Which rows and columns are compared is judging.py's business. Whatever is Jinja in a model stands here as a
placeholder, because sqlglot knows no Jinja.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from sqlglot import exp

from orchestration.audience.comparisons import Amount, Anniversary, Comparison, Window
from orchestration.audience.times import Duration, Moment

# Numbers sent as text: exact to ten places, and no NaN or infinity, which every engine orders in its own way.
NUMBER = exp.DataType.build("decimal(38, 10)")
TIMESTAMP = exp.DataType.build("timestamp")
DAY = Duration(1, "day")
COMPARED: dict[str, type[exp.Expr]] = {
    "is_": exp.EQ,
    "is_not": exp.NEQ,
    "at_least": exp.GTE,
    "at_most": exp.LTE,
    "more_than": exp.GT,
    "less_than": exp.LT,
}


class Placeholders:
    """Jinja calls, each under a name that SQL accepts."""

    def __init__(self) -> None:
        self._calls: list[str] = []

    def of(self, call: str) -> exp.Expr:
        if call not in self._calls:
            self._calls.append(call)
        return exp.column(f"jinja_{self._calls.index(call)}_")

    def argument(self, given: exp.Expr) -> str:
        """An expression as an argument of a call: SQL in quotes, and a call of its own where it has one."""
        sql = given.sql(dialect="duckdb").lower()
        before, *found = re.split(r"jinja_(\d+)_", sql, maxsplit=1)
        if not found:
            return repr(sql)
        parts = (
            before and repr(before),
            self._calls[int(found[0])],
            found[1] and repr(found[1]),
        )
        return " ~ ".join(part for part in parts if part)

    def filled(self, sql: str) -> str:
        for number, call in enumerate(self._calls):
            sql = sql.replace(f"jinja_{number}_", f"{{{{ {call} }}}}")
        return sql


def all_of(parts: Iterable[exp.Expr]) -> exp.Expr:
    found = [*_flat(parts, exp.And)]
    return exp.and_(*found, copy=False) if found else exp.true()


def any_of(parts: Iterable[exp.Expr]) -> exp.Expr:
    found = [*_flat(parts, exp.Or)]
    return exp.or_(*found, copy=False) if found else exp.false()


def _flat(parts: Iterable[exp.Expr], kind: type[exp.Connector]) -> Iterator[exp.Expr]:
    """An `and` of an `and` is one, and so is an `or` of an `or`."""
    for part in parts:
        if isinstance(part, kind):
            yield from part.flatten(unnest=False)
        else:
            yield part


def parts_of(given: exp.Expr) -> list[exp.Expr]:
    """What all has to hold."""
    return [*given.flatten()] if isinstance(given, exp.And) else [given]


def none_of(parts: Iterable[exp.Expr]) -> exp.Expr:
    """The logical complement: true also where what is denied is NULL."""
    found = any_of(parts)
    if not is_certain(found):
        found = exp.Coalesce(this=found, expressions=[exp.false()])
    return exp.Not(this=exp.paren(found) if isinstance(found, exp.Connector) else found)


def is_certain(given: exp.Expr) -> bool:
    """Whether it is never NULL."""
    if isinstance(given, exp.Connector):
        return is_certain(given.left) and is_certain(given.right)
    if isinstance(given, exp.Paren | exp.Not):
        return is_certain(given.this)
    if isinstance(given, tuple(COMPARED.values())):
        return isinstance(given.this, exp.Coalesce)
    return isinstance(given, exp.Is | exp.Boolean | exp.Exists | exp.Coalesce)


def literal(value: object) -> exp.Expr:
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, int | Decimal):
        return exp.Literal.number(
            format(value, "f") if value != int(value) else int(value)
        )
    return exp.Literal.string(str(value))


def amount(number: exp.Expr, given: Amount) -> Iterable[exp.Expr]:
    """The comparisons of a count or a sum."""
    for word, value in given.said(Amount).items():
        yield COMPARED[word](this=number.copy(), expression=literal(value))


class Comparing:
    """Comparisons at one as_of."""

    def __init__(self, placeholders: Placeholders) -> None:
        self.placeholders = placeholders
        self.as_of = placeholders.of("as_of()")

    def value(
        self,
        column: exp.Expr,
        kind: str,
        given: Comparison,
        moment: exp.Expr | None = None,
    ) -> exp.Expr:
        """Every word of a comparison of a column of that kind; `moment` is the column as a time, if there is one."""
        parts: list[exp.Expr] = []
        time = self.time(column, kind) if moment is None else moment
        for word, value in given.said(Comparison).items():
            if word in Window.model_fields:
                continue
            if isinstance(value, Anniversary):
                date = column if kind == "date" else time
                parts.extend(self._comes_again(date, value))
            elif word == "matches":
                parts.append(self._matches(column, str(value), given.ignoring_case))
            elif word == "exists":
                missing = exp.Is(this=column.copy(), expression=exp.null())
                parts.append(exp.Not(this=missing) if value else missing)
            elif kind == "loose":
                parts.append(_loose(word, column, value, given.ignoring_case))
            else:
                parts.append(_plain(word, column, value, given.ignoring_case))
        if given.said(Window):
            parts.append(all_of(self.window(time, given)))
        return all_of(parts)

    def window(self, time: exp.Expr, given: Window) -> Iterable[exp.Expr]:
        """The bounds of a time."""
        bounds = {
            "since": exp.GTE,
            "until": exp.LTE,
            "after": exp.GT,
            "before": exp.LT,
        }
        for word, value in given.said(Window).items():
            if word == "last":
                yield exp.GTE(
                    this=time.copy(), expression=shifted(self.as_of, value, -1)
                )
                yield exp.LT(this=time.copy(), expression=self.as_of.copy())
            elif word == "next":
                yield exp.GTE(this=time.copy(), expression=self.as_of.copy())
                yield exp.LT(this=time.copy(), expression=shifted(self.as_of, value, 1))
            elif word == "on":
                first, last = self._day(value)
                yield exp.GTE(this=time.copy(), expression=first)
                yield exp.LT(this=time.copy(), expression=last)
            else:
                yield bounds[word](this=time.copy(), expression=self._moment(value))

    def time(self, column: exp.Expr, kind: str) -> exp.Expr:
        if kind == "date":
            return exp.Cast(this=column.copy(), to=TIMESTAMP.copy())
        if kind == "loose":
            return self.placeholders.of(
                f"sent_moment({self.placeholders.argument(column)})"
            )
        return column

    def _comes_again(self, time: exp.Expr, given: Anniversary) -> Iterable[exp.Expr]:
        """Bounds of the next anniversary, in days."""
        for word, value in given.said().items():
            first = end = self.as_of
            if word == "next":
                end = shifted(self.as_of, value, 1)
            elif word == "last":
                first = shifted(self.as_of, value, -1)
            else:
                is_today = value.start_of == "day" and value.shift is None
                first = self.as_of if is_today else self._moment(value)
                end = exp.Add(this=first.copy(), expression=interval(DAY))
            of, since = map(self.placeholders.argument, (time, first))
            coming = self.placeholders.of(f"next_anniversary({of}, {since})")
            day = exp.Cast(this=end.copy(), to=exp.DataType.build("date"))
            yield exp.LT(this=coming, expression=day)

    def _matches(self, column: exp.Expr, pattern: str, ignoring_case: bool) -> exp.Expr:
        text = literal(("(?i)" if ignoring_case else "") + pattern).sql()
        text = text.replace('"', '\\"')
        column_argument = self.placeholders.argument(column)
        return self.placeholders.of(f'matches({column_argument}, "{text}")')

    def _moment(self, moment: Moment) -> exp.Expr:
        if moment.fixed:
            return timestamp(moment.fixed)
        time = self.as_of
        if moment.start_of:
            time = self._start_of(moment.start_of)
        if moment.shift is None:
            return time.copy()
        return shifted(time, moment.shift, 1 if moment.is_ahead else -1)

    def _day(self, moment: Moment) -> tuple[exp.Expr, exp.Expr]:
        if moment.fixed:
            first = datetime.combine(moment.fixed.date(), datetime.min.time())
            return timestamp(first), timestamp(first + timedelta(days=1))
        start = _start_of_day(self._moment(moment))
        return start, exp.Add(this=start.copy(), expression=interval(DAY))

    def _start_of(self, unit: str) -> exp.Expr:
        if unit == "day":
            return _start_of_day(self.as_of)
        asked = [literal(unit), self.as_of.copy()]
        start = exp.Anonymous(this="date_trunc", expressions=asked)
        return exp.Cast(this=start, to=TIMESTAMP.copy())


def _start_of_day(time: exp.Expr) -> exp.Expr:
    day = exp.Cast(this=time.copy(), to=exp.DataType.build("date"))
    return exp.Cast(this=day, to=TIMESTAMP.copy())


def shifted(time: exp.Expr, by: Duration, sign: int) -> exp.Expr:
    operator = exp.Add if sign > 0 else exp.Sub
    return operator(this=time.copy(), expression=interval(by))


def interval(length: Duration) -> exp.Expr:
    return exp.Interval(
        this=exp.Literal.string(str(length.number)), unit=exp.var(length.unit)
    )


def timestamp(moment: datetime) -> exp.Expr:
    text = exp.Literal.string(moment.isoformat(sep=" "))
    return exp.Cast(this=text, to=TIMESTAMP.copy())


def number_of(text: exp.Expr) -> exp.Expr:
    return exp.TryCast(this=text.copy(), to=NUMBER.copy())


def _plain(word: str, column: exp.Expr, value: object, ignoring_case: bool) -> exp.Expr:
    """A comparison with values of the column's own type."""

    def folded(given: exp.Expr) -> exp.Expr:
        return exp.Lower(this=given) if ignoring_case else given

    subject = folded(column.copy())
    if isinstance(value, tuple):
        listed = [folded(literal(each)) for each in value]
        found: exp.Expr = exp.In(this=subject, expressions=listed)
        return found if word == "in_" else exp.Not(this=found)
    if word in COMPARED:
        return COMPARED[word](this=subject, expression=folded(literal(value)))
    text = str(value)
    if word == "contains":
        return exp.func("contains", subject, folded(literal(text)))
    side = "left" if word == "starts_with" else "right"
    part = exp.func(side, subject, exp.Literal.number(len(text)))
    return exp.EQ(this=part, expression=folded(literal(text)))


def _loose(word: str, column: exp.Expr, value: object, ignoring_case: bool) -> exp.Expr:
    """A comparison of what was sent as text: as a number when it is compared with one, else as text."""
    if word in ("is_not", "not_in"):
        values = value if isinstance(value, tuple) else (value,)
        there = exp.Not(this=exp.Is(this=column.copy(), expression=exp.null()))
        return all_of([there, none_of([_loose("in_", column, values, ignoring_case)])])
    if isinstance(value, tuple):
        return any_of(_loose("is_", column, each, ignoring_case) for each in value)
    if word == "includes":
        return _includes(column, str(value), ignoring_case)
    if isinstance(value, bool):
        return _plain(word, column, str(value).lower(), ignoring_case)
    if isinstance(value, int | Decimal):
        return _plain(word, number_of(column), value, False)
    return _plain(word, column, value, ignoring_case)


def _includes(column: exp.Expr, value: str, ignoring_case: bool) -> exp.Expr:
    """Lists are JSON, so an entry that is a text stands in its quotes."""
    is_list = _plain("starts_with", column, "[", False)
    entry = json.dumps(value, ensure_ascii=False)
    return any_of(
        [
            _plain("is_", column, value, ignoring_case),
            all_of([is_list, _plain("contains", column, entry, ignoring_case)]),
        ]
    )
