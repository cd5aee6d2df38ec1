"""What every audience model must be, whoever wrote it: sentences about those that are not.

It says whom it returns, asks no clock and no dice, reads public models only, and derives from no column that its
purpose forbids. Asked by a test, by `python -m orchestration.audience check`, and by the refresh before dbt runs.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingestion.settings import PROJECT_ROOT
from orchestration.audience.lineage import Column, Columns, Lineage
from orchestration.audience.loading import RuleError
from orchestration.audience.register import MODELS, outdated
from orchestration.audience.rendering import DBT_PROJECT, rendered

PUBLIC = ("dim_", "fct_", "audience_")
CLOCKS = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.CurrentDatetime)
CLOCK_NAMES = {"now", "today", "getdate", "current_localtimestamp", "localtimestamp"}
CLOCK_NAMES |= {"get_current_timestamp", "transaction_timestamp", "unix_timestamp"}
DICE = (exp.Rand, exp.Uuid)
DICE_NAMES = {
    "random",
    "rand",
    "randn",
    "uuid",
    "gen_random_uuid",
    "setseed",
    "shuffle",
}
ANY_TIME = datetime(2026, 1, 31)


@dataclass(frozen=True)
class Audience:
    """One audience model: its text and what its yml says."""

    name: str
    sql: str
    described: dict[str, Any]

    @property
    def purpose(self) -> str:
        return str(self.described.get("config", {}).get("meta", {}).get("purpose", ""))


def audience_models(folder: Path = MODELS) -> list[Audience]:
    found = []
    for path in sorted(folder.glob("audience_*.sql")):
        twin = path.with_suffix(".yml")
        described = yaml.safe_load(twin.read_text("utf-8")) if twin.exists() else {}
        models = described.get("models") or [{}]
        found.append(Audience(path.stem, path.read_text("utf-8"), models[0]))
    return found


def problems() -> list[str]:
    """Everything that is wrong with the audiences of this project, written files included."""
    try:
        stale = outdated()
    except RuleError as error:
        return [str(error)]
    lineage = Lineage()
    return stale + [
        sentence
        for audience in audience_models()
        for sentence in problems_of(audience, lineage)
    ]


def uncomputable(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Sentences about audiences whose values cannot be computed. They are views, so dbt fails at the register that reads
    them all, and the engine names the value but not the audience."""
    views = connection.execute(
        r"select view_name from duckdb_views() where schema_name = 'audiences' and view_name like 'audience\_%' escape '\' order by 1"
    ).fetchall()
    sentences = []
    for (name,) in views:
        try:
            connection.execute(
                f'select count(hash(row)) from audiences."{name}" as row'
            )
        except duckdb.Error as error:
            sentences.append(f"{name} cannot be computed: {str(error).splitlines()[0]}")
    return sentences


def problems_of(audience: Audience, lineage: Lineage) -> Iterator[str]:
    """What is wrong with one audience."""
    try:
        parsed = sqlglot.parse_one(
            rendered(audience.sql, ANY_TIME, relation=str), dialect="duckdb"
        )
    except SqlglotError as error:
        yield f"{audience.name} cannot be read: {str(error).splitlines()[0]}"
        return
    if not isinstance(parsed, exp.Query):
        yield f"{audience.name} is no SELECT"
        return
    for check in (_describes_itself, _returns_whom, _asks_no_clock, _reads_public):
        yield from check(audience, parsed)
    yield from _keeps_to_its_purpose(audience, lineage)


def _describes_itself(audience: Audience, parsed: exp.Query) -> Iterator[str]:
    meta = audience.described.get("config", {}).get("meta", {})
    for word in ("owner", "purpose"):
        if not meta.get(word):
            yield f"{audience.name} has no {word}: say `config: {{meta: {{{word}: …}}}}` in its yml"
    if not str(audience.described.get("description", "")).strip():
        yield f"{audience.name} has no description: say in a sentence who is in it"
    purposes = [*_purposes()]
    if audience.purpose and audience.purpose not in purposes:
        near = get_close_matches(audience.purpose, purposes, n=1, cutoff=0.4)
        hint = (
            f"did you mean {near[0]}?" if near else f"there are {', '.join(purposes)}"
        )
        yield f"{audience.name}: the seed purposes has no {audience.purpose}; {hint}"
    size = meta.get("expected_size") or {}
    if unknown := set(size) - {"from", "to"}:
        yield f"{audience.name}: expected_size says `from` and `to`, not {', '.join(sorted(unknown))}"
    percent = meta.get("holdout_percent", 0)
    if not isinstance(percent, int | float) or not 0 <= percent <= 100:
        yield f"{audience.name}: holdout_percent is {percent!r}; it has to lie between 0 and 100"


def _returns_whom(audience: Audience, parsed: exp.Query) -> Iterator[str]:
    declared = [column["name"] for column in audience.described.get("columns", [])]
    if "profile_id" not in declared:
        yield f"{audience.name} does not declare profile_id: an audience says whom it returns"
    returned = Columns(parsed).names
    if returned and sorted(returned) != sorted(declared):
        yield (
            f"{audience.name} returns {', '.join(returned)}, and its yml declares {', '.join(declared)}; "
            "its grain is profile_id, and instance_key where there is one"
        )


def _asks_no_clock(audience: Audience, parsed: exp.Query) -> Iterator[str]:
    kinds = (
        (CLOCKS, CLOCK_NAMES, "time is `as_of()`"),
        (DICE, DICE_NAMES, "nobody is drawn by lot"),
    )
    for node in parsed.find_all(exp.Func):
        name = (
            node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        ).lower()
        for types, names, remedy in kinds:
            if isinstance(node, types) or name in names:
                yield f"{audience.name} asks {node.sql(dialect='duckdb').lower()}: {remedy}, so that a refresh can be repeated"


def _reads_public(audience: Audience, parsed: exp.Query) -> Iterator[str]:
    steps = {cte.alias for cte in parsed.find_all(exp.CTE)}
    read = {table.name for table in parsed.find_all(exp.Table)} - steps
    for model in sorted(read):
        if not model.startswith(PUBLIC):
            near = get_close_matches(
                model.partition("_")[2], _public(), n=1, cutoff=0.4
            )
            hint = f"; is {near[0]} what you need?" if near else ""
            yield f"{audience.name} reads {model}, which is not public (dim_, fct_, audience_){hint}"
        elif not (DBT_PROJECT / "models").exists() or model not in _public():
            near = get_close_matches(model, _public(), n=1, cutoff=0.4)
            yield f"{audience.name} reads {model}, and there is none; did you mean {near[0] if near else 'another'}?"


def _keeps_to_its_purpose(audience: Audience, lineage: Lineage) -> Iterator[str]:
    """No column that it returns, filters, joins or groups by comes from one that its purpose forbids."""

    def is_forbidden(column: Column, is_direct: bool) -> str | None:
        if is_direct and column.name.startswith("_"):
            return "which is operational and no part of the table's meaning"
        allowed = lineage.purposes(column)
        if allowed is None or audience.purpose in allowed:
            return None
        if not allowed:
            return "which no audience may use"
        return f"which may be used for {' and '.join(allowed)} only"

    try:
        found = [*_paths(audience, lineage, is_forbidden)]
    except SqlglotError as error:
        yield f"{audience.name}: its lineage cannot be read: {str(error).splitlines()[0]}"
        return
    for path, reason in found:
        yield (
            f"{audience.name}, for {audience.purpose}, derives from {path[-1]}, {reason}: "
            + " ← ".join([audience.name, *map(str, path)])
        )


def _paths(
    audience: Audience, lineage: Lineage, judged: Callable[[Column, bool], str | None]
) -> Iterator[tuple[list[Column], str]]:
    """The shortest way to each forbidden column."""
    waiting = [[column] for column in lineage.used_by(audience.sql)]
    seen = {path[0] for path in waiting}
    while waiting:
        path = waiting.pop(0)
        if reason := judged(path[-1], len(path) == 1):
            yield path, reason
            continue
        for column in lineage.upstream(path[-1]):
            if column not in seen:
                seen.add(column)
                waiting.append([*path, column])


def _purposes() -> Iterator[str]:
    with (DBT_PROJECT / "seeds/purposes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["purpose"]


@cache
def _public() -> frozenset[str]:
    models = (DBT_PROJECT / "models").rglob("*.sql")
    return frozenset(path.stem for path in models if path.stem.startswith(PUBLIC))


class AudienceProblemError(ValueError):
    """Audiences that must not be built. The message lists what is wrong and what to do."""


def check_before_build(marker: Path) -> None:
    """Stop a refresh whose audiences are not right. What was found right is not checked again until a file changes."""
    state = _state()
    if marker.exists() and marker.read_text("utf-8") == state:
        return
    if found := problems():
        raise AudienceProblemError("\n".join(found))
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(state, "utf-8")


def _state() -> str:
    """A hash of everything that the checks look at."""
    digest = hashlib.sha256()
    places = [
        *sorted((PROJECT_ROOT / "audiences").glob("*.yml")),
        *sorted(path for path in (DBT_PROJECT / "models").rglob("*.*")),
        *sorted((DBT_PROJECT / "macros").rglob("*.sql")),
        *sorted(Path(__file__).parent.glob("*.py")),
        DBT_PROJECT / "seeds/purposes.csv",
    ]
    for path in places:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
