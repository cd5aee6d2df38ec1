"""SQL as this project writes it: lower case, four spaces, 88 columns, one step per CTE. What it says is compiling.py's business."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from orchestration.audience.conditions import Placeholders

WIDTH = 88
INDENT = "    "
_NOT_NULL = re.compile(r"\bNOT ([\w.]+) IS NULL\b")
# A macro's call with its arguments, and what stands around it.
_CALL = re.compile(r"(.*?\{\{ \w+\()(.+)(\) \}\}.*)")
_TEXTS = re.compile(r"('(?:[^']|'')*')")


@dataclass(frozen=True)
class Cte:
    """One step: `from_` holds the relation and its joins, a line each."""

    name: str
    columns: Sequence[str]
    from_: Sequence[str]
    where: exp.Expr | None = None
    group_by: str = ""
    comment: str = ""


def imported(name: str, model: str) -> str:
    select = f"select * from {{{{ ref('{model}') }}}}"
    line = f"{name} as ({select}),\n"
    if len(line) <= WIDTH:
        return line
    return f"{name} as (\n{INDENT}{select}\n),\n"


def written(cte: Cte, placeholders: Placeholders) -> str:
    inner = [f"select {cte.columns[0]}"]
    if len(cte.columns) > 1:
        inner = ["select", *(f"{INDENT}{column}," for column in cte.columns)]
        inner[-1] = inner[-1].removesuffix(",")
    inner += [f"from {cte.from_[0]}", *cte.from_[1:]]
    if cte.where is not None:
        room = WIDTH - 2 * len(INDENT)
        conditions = [*_laid_out(cte.where, placeholders, room)]
        if len(conditions) == 1 and len(conditions[0]) + 10 <= WIDTH:
            inner.append(f"where {conditions[0]}")
        else:
            inner += ["where", *(INDENT + line for line in conditions)]
    if cte.group_by:
        inner.append(f"group by {cte.group_by}")
    comment = textwrap.wrap(
        cte.comment,
        WIDTH,
        initial_indent="-- ",
        subsequent_indent="-- ",
        break_long_words=False,
    )
    lines = [*comment, f"{cte.name} as (", *(INDENT + line for line in inner), ")"]
    return "\n".join(lines)


def one_line(given: exp.Expr, placeholders: Placeholders) -> str:
    """SQL in lower case, but for what stands in quotes."""

    def written_per_engine(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal) and set(node.name) & {"'", "\\"}:
            return placeholders.of(f"text_literal({node.name!r})")
        return node

    portable = given.transform(written_per_engine)
    return placeholders.filled(lowered(portable.sql(dialect="duckdb")))


def lowered(sql: str) -> str:
    parts = _TEXTS.split(_NOT_NULL.sub(r"\1 is not null", sql))
    return "".join(part if part[:1] == "'" else part.lower() for part in parts)


def _laid_out(given: exp.Expr, placeholders: Placeholders, room: int) -> Iterator[str]:
    text = one_line(given, placeholders)
    inner = room - len(INDENT)
    if len(text) <= room and not isinstance(given, exp.And):
        yield text
    elif isinstance(given, exp.Connector):
        word = "and" if isinstance(given, exp.And) else "or"
        for number, part in enumerate(given.flatten()):
            prefix = f"{word} " if number else ""
            lines = [*_laid_out(_own(part), placeholders, room - len(prefix))]
            yield prefix + lines[0]
            yield from lines[1:]
    elif isinstance(given, exp.Paren):
        yield "("
        yield from (
            INDENT + line for line in _laid_out(given.this, placeholders, inner)
        )
        yield ")"
    elif isinstance(given, exp.Not):
        lines = [*_laid_out(given.this, placeholders, room - 4)]
        yield "not " + lines[0]
        yield from lines[1:]
    elif isinstance(given, exp.Coalesce):
        lines = [*_laid_out(given.this, placeholders, inner)]
        yield "coalesce("
        yield from (INDENT + line for line in lines[:-1])
        yield f"{INDENT}{lines[-1]},"
        yield f"{INDENT}{one_line(given.expressions[0], placeholders)}"
        yield ")"
    elif isinstance(given, exp.Exists):
        yield "exists ("
        yield f"{INDENT}select 1"
        yield f"{INDENT}from {one_line(given.this.args['from_'].this, placeholders)}"
        yield f"{INDENT}where"
        where = _laid_out(given.this.args["where"].this, placeholders, inner - 4)
        yield from (2 * INDENT + line for line in where)
        yield ")"
    elif isinstance(given, exp.Binary) and len(text) > room:
        left = one_line(given.left, placeholders)
        yield from _call(left, room)
        yield from _call(text.removeprefix(left).strip(), room)
    else:
        yield from _call(text, room)


def _call(text: str, room: int) -> Iterator[str]:
    """A line that is too long breaks around the arguments of its macro."""
    found = _CALL.fullmatch(text)
    if found and len(text) > room:
        yield found[1]
        yield INDENT + found[2]
        yield found[3]
    else:
        yield text


def _own(part: exp.Expr) -> exp.Expr:
    """An operand that flatten() unwrapped keeps its parentheses when it needs them."""
    return exp.paren(part) if isinstance(part, exp.Connector) else part
