"""What an audience would be before it is committed: its size, whom it can reach, its overlap, who would enter and leave.

Evaluated over the read copy at the logical time of the last refresh. Nothing is written.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.audience.checking import Audience, problems_of
from orchestration.audience.compiling import compiled_model
from orchestration.audience.describing import compiled_twin
from orchestration.audience.lineage import Lineage
from orchestration.audience.loading import RULES, RuleError, read_rule
from orchestration.audience.register import described
from orchestration.audience.rendering import model_file, rendered

# People shown of those who would enter or leave.
SHOWN = 5


class NoSuchRelationError(LookupError):
    """The audience reads something that the last refresh did not build."""


@dataclass(frozen=True)
class Preview:
    """An audience as it would be. Overlaps and moves are counted in people."""

    audience: str
    as_of: datetime
    members: int
    people: int
    reachable: dict[str, int]
    overlaps: dict[str, int]
    members_today: int
    enter: int
    leave: int
    entering: list[str]
    leaving: list[str]
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        yield f"{self.audience}, as of {self.as_of:%Y-%m-%d %H:%M} UTC over the read copy:"
        yield f"  members: {self.members:,}{_share(self.members, self.people)} of {self.people:,} people"
        for kind, count in self.reachable.items():
            yield f"  with {kind}: {count:,}{_share(count, self.members)}"
        yield f"  today: {self.members_today:,} ({self.enter:,} would enter, {self.leave:,} would leave)"
        for word, names in (("enter", self.entering), ("leave", self.leaving)):
            if names:
                yield f"    would {word}: {', '.join(names)}{' …' if len(names) == SHOWN else ''}"
        for audience, count in self.overlaps.items():
            yield f"  also in {audience}: {count:,}{_share(count, self.members)}"
        for sentence in self.problems:
            yield f"  must not be built: {sentence}"


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""


def read_audience(asked: str) -> Audience:
    """The audience of a rule file's path, else of a name: its rule file if it has one, else its model."""
    path = Path(asked)
    if path.suffix != ".yml":
        path = RULES / f"{asked.removeprefix('audience_')}.yml"
    if path.exists():
        rule = read_rule(path)
        twin = described(compiled_twin(path.stem, rule))
        return Audience(f"audience_{path.stem}", compiled_model(path.stem, rule), twin)
    if path.suffix == ".yml" and asked.endswith(".yml"):
        raise RuleError(f"There is no rule file {asked}.")
    model = model_file(f"audience_{asked.removeprefix('audience_')}")
    twin = described(model.with_suffix(".yml").read_text("utf-8"))
    return Audience(model.stem, model.read_text("utf-8"), twin)


def preview(
    connection: duckdb.DuckDBPyConnection, audience: Audience, as_of: datetime
) -> Preview:
    """What an audience would be."""
    name = audience.name.removeprefix("audience_")
    sql = rendered(audience.sql, as_of)
    try:
        connection.execute(
            f"create or replace temp table previewed as select distinct profile_id from ({sql}) as audience"
        )
    except duckdb.CatalogException as error:
        raise NoSuchRelationError(
            f"{name} reads what the last refresh did not build; refresh first. {str(error).splitlines()[0]}"
        ) from error
    connection.execute(_TODAY, [name])
    members, people, *reachable = _row(connection, _REACH)
    today, enter, leave = _row(connection, _MOVES)
    kinds = ("user id", "e-mail", "phone", "device")
    return Preview(
        audience=name,
        as_of=as_of,
        members=members,
        people=people,
        reachable=dict(zip(kinds, reachable, strict=True)),
        overlaps=dict(connection.execute(_OVERLAPS, [name]).fetchall()),
        members_today=today,
        enter=enter,
        leave=leave,
        entering=_sample(connection, "previewed", "today"),
        leaving=_sample(connection, "today", "previewed"),
        problems=[
            *problems_of(audience, Lineage()),
            *_repeated(connection, audience, sql),
        ],
    )


def _repeated(
    connection: duckdb.DuckDBPyConnection, audience: Audience, sql: str
) -> Iterator[str]:
    """A sentence when somebody is in it twice for the same instance."""
    declared = {column["name"] for column in audience.described.get("columns", [])}
    grain = [name for name in ("profile_id", "instance_key") if name in declared]
    (repeated,) = _row(
        connection,
        f"""
        select count(*) from (
            select 1 from ({sql}) as audience group by {", ".join(grain) or "profile_id"} having count(*) > 1
        )
        """,
    )
    if repeated:
        yield (
            f"{audience.name} returns {repeated:,} more than once: its grain is {' and '.join(grain)}; group by it, "
            "or tell the rows apart by an instance_key"
        )


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    (row,) = connection.execute(sql).fetchall()
    return tuple(row)


def _sample(
    connection: duckdb.DuckDBPyConnection, these: str, not_those: str
) -> list[str]:
    rows = connection.execute(
        f"""
        select coalesce(profiles.email, profiles.user_id, profiles.phone, {these}.profile_id)
        from {these}
        left join profiles.dim_profiles as profiles on {these}.profile_id = profiles.profile_id
        where {these}.profile_id not in (select profile_id from {not_those})
        order by {these}.profile_id
        limit {SHOWN}
        """
    ).fetchall()
    return [str(name) for (name,) in rows]


_TODAY = """
    create or replace temp table today as
    select distinct profile_id from audiences.fct_audience_members where audience_name = ?
"""
_REACH = """
    select
        count(previewed.profile_id),
        count(*),
        count(previewed.profile_id) filter (where profiles.user_id is not null),
        count(previewed.profile_id) filter (where profiles.email is not null),
        count(previewed.profile_id) filter (where profiles.phone is not null),
        count(previewed.profile_id) filter (where previewed.profile_id in (
            select profile_id from identity.dim_identifiers
            where identifier_type in ('device_id', 'anonymous_id')
        ))
    from profiles.dim_profiles as profiles
    left join previewed on profiles.profile_id = previewed.profile_id
"""
_MOVES = """
    select
        count(today.profile_id),
        count(*) filter (where today.profile_id is null),
        count(*) filter (where previewed.profile_id is null)
    from today
    full join previewed on today.profile_id = previewed.profile_id
"""
_OVERLAPS = """
    select members.audience_name, count(distinct members.profile_id)
    from audiences.fct_audience_members as members
    inner join previewed on members.profile_id = previewed.profile_id
    where members.audience_name <> ?
    group by members.audience_name
    order by count(distinct members.profile_id) desc, members.audience_name
"""
