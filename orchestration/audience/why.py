"""Why somebody is in an audience, or why not: every clause of its SQL, true or false, with the values that decided.

Reads the published copy. How SQL is taken apart is clauses.py's business. The clauses recombine to the membership; a
test asks that of everybody.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import sqlglot

from orchestration.audience.clauses import (
    PEOPLE,
    Clause,
    Group,
    Node,
    Step,
    Truth,
    changes,
    clauses,
    taken_apart,
    truth,
)
from orchestration.audience.rendering import model_file, rendered
from orchestration.audience.writing import lowered

MARKS = {True: "✓", False: "✗", None: "✗"}
WORDS = {"all": "all of", "any": "any of", "not": "not", "known": "known to be"}

# How compiled models ask how many rows of a step a person has.
_COUNTED = re.compile(
    r"(?:COALESCE\()?(\w+)\.(row_count|total|distinct_count)(?:, 0\))? (>=|<=|>|<|=|<>) (\d\S*)"
)
MEASURES = {
    "row_count": "rows of",
    "total": "the total of",
    "distinct_count": "different values in",
}
# What would fill lines as SQL, and how many arguments it has; what stands in another comes first.
MACROS = {"sent_moment": 1, "next_anniversary": 2, "holdout_bucket": 2}
COMPARISONS = {
    ">=": "at least",
    "<=": "at most",
    ">": "more than",
    "<": "less than",
    "=": "exactly",
    "<>": "anything but",
}


@dataclass(frozen=True)
class Row:
    """What one row, or one group of rows, answers to a step's clauses."""

    answers: tuple[Truth, ...]
    values: dict[str, str | None]


@dataclass(frozen=True)
class Answer:
    """What a step says of one person."""

    step: Step
    rows: list[Row]
    groups: list[Row]

    @property
    def left(self) -> list[Row]:
        """The rows for which all conditions hold."""
        return [row for row in self.rows if truth(self.step.where, row.answers)]

    @property
    def holds(self) -> bool:
        if self.step.groups_sql is None:
            return bool(self.left)
        return any(truth(self.step.having, group.answers) for group in self.groups)

    @property
    def nearest(self) -> Row | None:
        """The row that is in, else the one of which the least would have to change."""

        def distance(row: Row) -> int:
            return len(changes(self.step.where, row.answers, wanted=True))

        return min(self.rows, key=distance, default=None)


def steps_of(audience: str, as_of: datetime) -> dict[str, Step]:
    """The steps of an audience's model. Raises LookupError when there is none."""
    return taken_apart(
        rendered(model_file(f"audience_{audience}").read_text("utf-8"), as_of)
    )


def answers(
    connection: duckdb.DuckDBPyConnection, step: Step, people: Sequence[str]
) -> dict[str, Answer]:
    """What a step says of each of these people."""
    rows = _asked(connection, step.rows_sql, step.where, step.values[0], people)
    groups: dict[str, list[Row]] = {}
    if step.groups_sql:
        groups = _asked(
            connection, step.groups_sql, step.having, step.values[1], people
        )
    return {
        person: Answer(step, rows.get(person, []), groups.get(person, []))
        for person in people
    }


def _asked(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    condition: Group,
    values: tuple[str, ...],
    people: Sequence[str],
) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    count = len([*clauses(condition)])
    asked = (
        f"with {PEOPLE} as (select unnest(?) as profile_id) "
        f"select * from ({sql}) as asked where profile_id in (select profile_id from {PEOPLE})"
    )
    for person, *told in connection.execute(asked, [list(people)]).fetchall():
        row = Row(tuple(told[:count]), dict(zip(values, told[count:], strict=True)))
        found.setdefault(person, []).append(row)
    return found


@dataclass(frozen=True)
class Why:
    """Somebody's standing in one audience."""

    audience: str
    person: str
    as_of: datetime
    steps: dict[str, Answer]

    @property
    def deciding(self) -> Answer:
        return [*self.steps.values()][-1]

    @property
    def is_in(self) -> bool:
        return self.deciding.holds

    def lines(self) -> Iterator[str]:
        verb = "is" if self.is_in else "is not"
        yield f"{self.person} {verb} in {self.audience}, as of {self.as_of:%Y-%m-%d %H:%M} UTC."
        yield ""
        yield from self._step(self.deciding, "  ", told=set())
        yield ""
        yield from self._remedy()

    def as_dict(self) -> dict[str, Any]:
        return {
            "audience": self.audience,
            "profile_id": self.person,
            "as_of": self.as_of.isoformat(),
            "is_in": self.is_in,
            "steps": {
                name: {
                    "holds": answer.holds,
                    "rows": len(answer.rows),
                    "rows_that_hold": len(answer.left),
                    "clauses": [
                        {"clause": self._sql(c.sql), "holds": row.answers[c.number]}
                        | {"values": {v: row.values[v] for v in c.values}}
                        for row, node in self._shown(answer)
                        for c in clauses(node)
                    ],
                }
                for name, answer in self.steps.items()
            },
        }

    def _shown(self, answer: Answer) -> Iterator[tuple[Row, Group]]:
        """The row and the group that are shown, each with its conditions."""
        if answer.nearest:
            yield answer.nearest, answer.step.where
        if answer.groups and answer.step.having.parts:
            best = min(
                answer.groups,
                key=lambda group: len(changes(answer.step.having, group.answers, True)),
            )
            yield best, answer.step.having

    def _step(self, answer: Answer, indent: str, told: set[str]) -> Iterator[str]:
        told.add(answer.step.name)
        start = next(iter(answer.step.reads.values()), answer.step.name)
        if start in self.steps and start not in told:
            before = self.steps[start]
            comment = f": {before.step.comment}" if before.step.comment else ""
            yield f"{indent}{MARKS[before.holds]} a row in {start}{comment}"
            yield from self._step(before, indent + "    ", told)
        if not answer.rows:
            yield f"{indent}✗ no row in {start}"
        elif len(answer.rows) > 1:
            yield (
                f"{indent}{len(answer.left)} of {len(answer.rows)} rows of {start} hold; "
                f"{'one of them' if answer.left else 'the nearest'}:"
            )
        for row, node in self._shown(answer):
            for part in node.parts:
                yield from self._node(part, row, indent, told)

    def _node(self, node: Node, row: Row, indent: str, told: set[str]) -> Iterator[str]:
        mark = MARKS[truth(node, row.answers)]
        if isinstance(node, Group):
            yield f"{indent}{mark} {WORDS[node.word]}"
            for part in node.parts:
                yield from self._node(part, row, indent + "    ", told)
            return
        yield f"{indent}{mark} {self._told(node, row)}"
        for relation in node.reads:
            if relation in self.steps and relation not in told:
                step = self.steps[relation]
                if step.step.comment:
                    yield f"{indent}    {step.step.comment}"
                yield from self._step(step, indent + "    ", told)

    def _remedy(self) -> Iterator[str]:
        """What would have to be otherwise for the answer to be."""
        answer = self.deciding
        if not answer.rows:
            start = next(iter(answer.step.reads.values()), self.audience)
            yield f"To be in, they would need a row in {start}."
            return
        shown = [*self._shown(answer)]
        row, node = shown[-1] if answer.left else shown[0]
        changed = changes(node, row.answers, not self.is_in)
        if not changed:
            yield "They would leave if they had no such row."
            return
        rows = (
            f" in each of {len(answer.left)} rows"
            if len(answer.left) > 1 and node is answer.step.where
            else ""
        )
        yield f"To {'leave' if self.is_in else 'be in'}, this would have to be otherwise{rows}:"
        for clause in changed:
            yield f"  {self._told(clause, row)}"
            if about := self._about(clause):
                yield f"      {about}"

    def _told(self, clause: Clause, row: Row) -> str:
        """The clause as SQL with the values that decided; how many rows of a step there are, in words."""
        counted = _COUNTED.fullmatch(clause.sql)
        if not counted:
            return f"{self._sql(clause.sql)}{_values(clause, row)}"
        step, measure, comparison, number = counted.groups()
        found = row.values[clause.values[0]] or "0"
        return f"{MEASURES[measure]} {step}: {COMPARISONS[comparison]} {number}   (found: {found})"

    def _about(self, clause: Clause) -> str:
        """What the step is for whose rows a clause counts."""
        counted = _COUNTED.fullmatch(clause.sql)
        step = self.steps.get(counted[1]) if counted else None
        while step and not step.step.comment:
            step = self.steps.get(next(iter(step.step.reads.values()), ""))
        return step.step.comment if step else ""

    def _sql(self, sql: str) -> str:
        for name, pattern in _shapes().items():
            places = ", ".join(f"\\{number + 1}" for number in range(pattern.groups))
            sql = pattern.sub(f"{name}({places})", sql)
        moment = f"cast('{self.as_of.isoformat()}' as timestamp)"
        return lowered(sql).replace(moment, "as_of")


def _values(clause: Clause, row: Row) -> str:
    told = [
        f"{lowered(name)} is {'missing' if row.values[name] is None else row.values[name]}"
        for name in clause.values
    ]
    return f"   ({', '.join(told)})" if told else ""


@cache
def _shapes() -> dict[str, re.Pattern[str]]:
    """What the macros of MACROS become, so that they can be told by their names."""
    shapes = {}
    for name, count in MACROS.items():
        arguments = [f"argument_{number}" for number in range(count)]
        call = f"{{{{ {name}({', '.join(map(repr, arguments))}) }}}}"
        parsed = sqlglot.parse_one(rendered(call, datetime.min), dialect="duckdb")
        shape = re.escape(parsed.sql(dialect="duckdb"))
        for each in arguments:
            shape = shape.replace(each, f"(?P<{each}>.+?)", 1)
            before, told, after = shape.partition(f"(?P<{each}>.+?)")
            shape = before + told + after.replace(each, f"(?P={each})")
        shapes[name] = re.compile(shape)
    return shapes


def why(
    connection: duckdb.DuckDBPyConnection, audience: str, person: str, as_of: datetime
) -> Why:
    """Every step's answer for a profile id of today."""
    steps = steps_of(audience, as_of).items()
    told = {name: answers(connection, step, [person])[person] for name, step in steps}
    return Why(audience, person, as_of, told)
