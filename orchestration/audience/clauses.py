"""A model's SQL taken apart: for each of its steps, the conditions as a tree of and, or, not, and how to ask for each by itself.

Works on any audience, written by hand or compiled, because both are SELECTs over CTEs. What cannot be taken apart
stays one clause and is asked as it stands. Nothing is run here; that is why.py's business.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from orchestration.audience.conditions import parts_of
from orchestration.audience.counting import is_known

Truth = bool | None
_COMMENTED = re.compile(r"^((?:-- .*\n)+)(\w+) as \($", re.MULTILINE)
KEY = "profile_id"
PEOPLE = "asked_people"
"""Who is asked about, a relation that is there when a step is asked."""


@dataclass(frozen=True)
class Clause:
    """One condition that is no group; `number` is its place among the answers of its step."""

    number: int
    sql: str
    values: tuple[str, ...]
    """The columns and aggregates that decide it."""
    reads: tuple[str, ...]
    """The relations whose columns these are."""


@dataclass(frozen=True)
class Group:
    """`all`, `any`, `not`, or `known`: unknown counts as false."""

    word: str
    parts: tuple["Node", ...]


Node = Clause | Group


@dataclass
class Step:
    """A SELECT that decides something: who has a row in it."""

    name: str
    where: Group
    having: Group
    rows_sql: str
    """profile_id, then each clause of `where`, then each value: for every row before any is left out."""
    groups_sql: str | None
    """The same for `having`, over the groups of the rows that are left; None without groups."""
    values: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """What the values are, of rows and of groups."""
    reads: dict[str, str] = field(default_factory=dict)
    """Alias → relation that it reads, what it starts from first."""
    comment: str = ""
    """What the model says it is for."""


def taken_apart(sql: str) -> dict[str, Step]:
    """Steps by name, in order; the last one decides. `select * from …` alone is no step."""
    parsed = sqlglot.parse_one(sql, dialect="duckdb")
    if not isinstance(parsed, exp.Query):
        raise ValueError("an audience is a SELECT")
    queries = {cte.alias: cte.this for cte in parsed.ctes}
    last = parsed.copy()
    last.set("with_", None)
    deciding = _deciding(last, queries)
    queries.setdefault(deciding, last)
    steps = {
        name: _step(name, query, parsed)
        for name, query in queries.items()
        if isinstance(query, exp.Select) and _decides(query) and name != deciding
    }
    for comment, name in _COMMENTED.findall(sql):
        if name in steps:
            steps[name].comment = " ".join(comment.replace("\n-- ", " ").split()[1:])
    query = queries[deciding]
    steps[deciding] = (
        _step(deciding, query, parsed)
        if isinstance(query, exp.Select) and _decides(query)
        else _whole(deciding, query, parsed)
    )
    return steps


def _deciding(last: exp.Query, queries: dict[str, exp.Expr]) -> str:
    """The CTE that the model is a plain copy of; else the model itself."""
    if (
        isinstance(last, exp.Select)
        and last.is_star
        and len(last.args)
        and not _decides(last)
    ):
        relation = last.args["from_"].this
        if relation.name in queries:
            return str(relation.name)
    return "model"


def _whole(name: str, query: exp.Expr, parsed: exp.Query) -> Step:
    """What cannot be taken apart: somebody has a row in it or not."""
    rows = exp.select(KEY).from_(exp.Subquery(this=query.copy(), alias=name))
    nothing = Group("all", ())
    return Step(name, nothing, nothing, _with(parsed, rows), None)


def truth(node: Node, answers: Sequence[Truth]) -> Truth:
    """SQL's own logic of true, false and unknown."""
    if isinstance(node, Clause):
        return answers[node.number]
    parts = [truth(part, answers) for part in node.parts]
    if node.word == "not":
        return None if parts[0] is None else not parts[0]
    if node.word == "known":
        return parts[0] is True
    decisive = node.word == "any"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def changes(node: Node, answers: Sequence[Truth], wanted: bool) -> list[Clause]:
    """The fewest clauses that would have to be otherwise for the node to be as wanted."""
    if isinstance(node, Clause):
        return [] if answers[node.number] is wanted else [node]
    if node.word == "not":
        return changes(node.parts[0], answers, not wanted)
    if node.word == "known" and not wanted and truth(node, answers) is False:
        return []
    each = [changes(part, answers, wanted) for part in node.parts]
    if not each:
        return []
    if (node.word == "any") is wanted and node.word != "known":
        return min(each, key=len)
    return [clause for part in each for clause in part]


def clauses(node: Node) -> Iterator[Clause]:
    if isinstance(node, Clause):
        yield node
    else:
        for part in node.parts:
            yield from clauses(part)


def _decides(query: exp.Select) -> bool:
    """Whether a SELECT says who has a row, by more than reading one relation, and of whom."""
    has_conditions = any(query.args.get(each) for each in ("where", "joins", "having"))
    is_sum = bool(query.args.get("group") and not query.args.get("where"))
    named = [each.alias_or_name for each in query.expressions]
    is_star = any(each.is_star for each in query.expressions)
    knows_whom = KEY in named or (is_star and bool(query.args.get("where")))
    return knows_whom and (has_conditions or is_sum)


def _step(name: str, query: exp.Select, whole: exp.Query) -> Step:
    asked = query.copy()
    key = _key(asked)
    if _starts_with_counted(asked, whole):
        key = _asked_of_everybody(asked)
    reads = dict(_relations(asked))
    joined = [*_opened_joins(asked, key)]
    where = asked.args["where"].this if asked.args.get("where") else None
    having = asked.args["having"].this if asked.args.get("having") else None
    asking = _Asking()
    rows = Group("all", tuple(_parts(asking, where, joined)))
    rows_query = _bare(asked, [key, *asking.selected()])
    groups_sql = None
    second = _Asking()
    grouped = Group("all", tuple(_parts(second, having, [])))
    if asked.args.get("group"):
        groups = query.copy()
        groups.set("expressions", [exp.alias_(key.copy(), KEY), *second.selected()])
        groups.set("having", None)
        groups_sql = _with(whole, groups)
    values = tuple(asking.values), tuple(second.values)
    sql = _with(whole, rows_query)
    return Step(name, rows, grouped, sql, groups_sql, values, reads)


def _parts(
    asking: "_Asking", condition: exp.Expr | None, joined: Sequence[exp.Expr]
) -> Iterator[Node]:
    yield from (asking.node(each) for each in joined)
    if condition is not None:
        node = asking.node(condition)
        if isinstance(node, Group) and node.word == "all":
            yield from node.parts
        else:
            yield node


class _Asking:
    """Clauses and values as they are found, and the columns that ask for them."""

    def __init__(self) -> None:
        self.clauses: list[exp.Expr] = []
        self.values: dict[str, exp.Expr] = {}

    def node(self, given: exp.Expr) -> Node:
        match given:
            case exp.Paren():
                return self.node(given.this)
            case exp.And() | exp.Or():
                word = "all" if isinstance(given, exp.And) else "any"
                parts = [self.node(each) for each in given.flatten()]
                return Group(word, tuple(parts))
            case exp.Not(this=exp.Is() | exp.In() | exp.Exists() | exp.Like()):
                return self._clause(given)
            case exp.Not():
                return Group("not", (self.node(given.this),))
            case exp.Coalesce() if given.expressions == [exp.false()]:
                return Group("known", (self.node(given.this),))
        return self._clause(given)

    def _clause(self, given: exp.Expr) -> Clause:
        self.clauses.append(given)
        found = {part.sql(dialect="duckdb"): part for part in _values(given)}
        self.values |= found
        tables = {c.table for part in found.values() for c in part.find_all(exp.Column)}
        return Clause(
            len(self.clauses) - 1,
            given.sql(dialect="duckdb"),
            tuple(found),
            tuple(sorted(tables - {""})),
        )

    def selected(self) -> list[exp.Expr]:
        """Each clause as a truth value, then each value as text."""
        truths = [
            exp.alias_(exp.cast(exp.paren(each.copy()), "boolean"), f"clause_{number}")
            for number, each in enumerate(self.clauses)
        ]
        texts = [
            exp.alias_(exp.cast(each.copy(), "text"), f"value_{number}")
            for number, each in enumerate(self.values.values())
        ]
        return [*truths, *texts]


def _values(given: exp.Expr) -> Iterator[exp.Expr]:
    """What a clause compares: its aggregates, and columns outside of subqueries."""
    if isinstance(given, exp.AggFunc | exp.Column):
        yield given
    elif not isinstance(given, exp.Query | exp.Exists):
        for child in given.iter_expressions():
            yield from _values(child)


def _key(query: exp.Select) -> exp.Expr:
    """The expression that says of whom a row is."""
    for each in query.expressions:
        if each.alias_or_name == KEY:
            found: exp.Expr = each.this if isinstance(each, exp.Alias) else each
            return found.copy()
    return exp.column(KEY, query.args["from_"].this.alias_or_name)


def _relations(query: exp.Select) -> Iterator[tuple[str, str]]:
    tables = [
        query.args["from_"].this,
        *(j.this for j in query.args.get("joins") or []),
    ]
    for table in tables:
        if isinstance(table, exp.Table):
            yield table.alias_or_name, table.name


def _starts_with_counted(query: exp.Select, whole: exp.Query) -> bool:
    """Whether a SELECT starts with a row for each person that a step has counted, and none is in without it."""
    start, where = query.args["from_"].this.name, query.args.get("where")
    groups = [cte.this.args.get("group") for cte in whole.ctes if cte.alias == start]
    if where is None or [group and group.expressions for group in groups] != [
        [exp.column(KEY)]
    ]:
        return False
    parts = parts_of(where.this)
    return is_known(start) in parts and any(
        isinstance(each, exp.Binary)
        and isinstance(each.this, exp.Column)
        and each.this.table == start
        for each in parts
    )


def _asked_of_everybody(query: exp.Select) -> exp.Expr:
    """Make that SELECT ask of PEOPLE, so that every clause is told whoever has no row, too. Returns of whom a row is."""
    start = query.args["from_"].this
    known, key = exp.column(KEY, start.name), exp.column(KEY, PEOPLE)
    is_counted = is_known(start.name)
    parts = [each for each in parts_of(query.args["where"].this) if each != is_counted]
    query.where(*parts, append=False, copy=False)
    for join in query.args.get("joins") or []:
        on = join.args["on"].transform(lambda each: key if each == known else each)
        join.set("on", on)
    query.from_(PEOPLE, copy=False)
    first = exp.Join(this=start, side="LEFT", on=exp.EQ(this=key, expression=known))
    query.set("joins", [first, *(query.args.get("joins") or [])])
    return key


def _opened_joins(query: exp.Select, key: exp.Expr) -> Iterator[exp.Expr]:
    """Inner joins become outer ones, and that a row was found becomes a condition."""
    for join in query.args.get("joins") or []:
        name = join.this.alias_or_name
        is_inner = not join.side and join.kind in ("", "INNER") and join.args.get("on")
        key_tables = {column.table for column in key.find_all(exp.Column)}
        if is_inner and name not in key_tables and isinstance(join.this, exp.Table):
            found = exp.select("*", "true as is_found").from_(join.this.copy())
            join.set("this", found.subquery(name))
            join.set("side", "LEFT")
            join.set("kind", None)
            yield exp.Not(
                this=exp.Is(this=exp.column("is_found", name), expression=exp.null())
            )


def _bare(query: exp.Select, columns: list[exp.Expr]) -> exp.Select:
    """The rows before any is left out."""
    bare = query.copy()
    bare.set("expressions", [exp.alias_(columns[0].copy(), KEY), *columns[1:]])
    for part in ("where", "group", "having", "order", "distinct", "limit"):
        bare.set(part, None)
    return bare


def _with(whole: exp.Query, query: exp.Select) -> str:
    asked = query.copy()
    asked.set("with_", whole.args["with_"].copy() if whole.args.get("with_") else None)
    return asked.sql(dialect="duckdb")
