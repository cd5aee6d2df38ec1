"""What an edit of the rules would do before it is applied: who would merge, split, change id, and which audiences move.

Builds the edited project over a scratch copy of the read copy, at the logical time of the last refresh, and compares
the two. Whatever differs is the edit's doing: both hold the same landed records.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.settings import Settings
from orchestration.assets.layers import parse_as_of
from orchestration.identity.graph import Identifier
from orchestration.identity.picture import visible
from orchestration.identity.scratch import build, copy_all, scratch
from orchestration.progress import last_run
from orchestration.warehouse.schema import SESSION, read_copy

# Changes shown to a person of each kind, the largest first. --json has all.
SHOWN = 10


class NoLogicalTimeError(LookupError):
    """Nobody knows at which logical time the read copy was refreshed."""


@dataclass(frozen=True)
class Change:
    """Profiles before and after. Each id stands with a few of its identifiers."""

    kind: str
    before: dict[str, list[str]]
    after: dict[str, list[str]]


@dataclass(frozen=True)
class AudienceMove:
    """How an audience would change, counted in people: who merges is one."""

    audience_name: str
    members_before: int
    members_after: int
    enter: int
    leave: int
    merge_away: int


@dataclass
class Preview:
    """Everything an edit would change."""

    as_of: datetime
    seeds: list[str]
    profiles_before: int
    profiles_after: int
    changes: list[Change]
    identifiers: dict[str, int]
    audiences: list[AudienceMove] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        counts = Counter(change.kind for change in self.changes)
        return {**asdict(self), "counts": dict(sorted(counts.items()))}

    def lines(self) -> Iterator[str]:
        yield f"As of {self.as_of.isoformat()}, over what the read copy holds:"
        yield f"  edited seeds: {', '.join(self.seeds) or 'none'}"
        yield f"  profiles: {self.profiles_before:,} → {self.profiles_after:,}"
        for name, count in self.identifiers.items():
            yield f"  identifiers {name}: {count:,}"
        for kind, sentence in KINDS.items():
            yield from _shown([c for c in self.changes if c.kind == kind], sentence)
        if not self.changes:
            yield "Nobody merges, splits or changes id."
        if self.audiences:
            yield "Audiences:"
        for move in self.audiences:
            yield (
                f"  {move.audience_name}: {move.members_before:,} → {move.members_after:,} members"
                f" ({move.enter:,} enter, {move.leave:,} leave, {move.merge_away:,} merge into another member)"
            )


KINDS = {
    "merge": "would merge",
    "split": "would split",
    "regroup": "would be regrouped, several profiles into several others",
    "id": "would keep their people and change their id (old ids still lead there)",
    "gone": "would be gone, because all their identifiers would be blocked",
    "new": "would be new",
}


def preview(
    settings: Settings, as_of: datetime | None, variables: str, audiences: bool
) -> Preview:
    """Build the project as it is in the working tree and compare. The warehouse is not touched."""
    moment = as_of or _last_as_of(settings)
    with scratch(settings) as file:
        copy_all(settings, file)
        selection = ["+identity", *(["+fct_audience_members"] if audiences else [])]
        build(settings, file, moment, *selection, variables=variables)
        return compare(settings.published, file, moment, audiences)


def compare(before: Path, after: Path, as_of: datetime, audiences: bool) -> Preview:
    """Two warehouses with the same landed records, built by different rules."""
    with duckdb.connect(after) as connection:  # dbt's tables are in its own catalog
        connection.execute(SESSION)
        quoted = str(before).replace("'", "''")
        connection.execute(f"attach '{quoted}' as earlier (read_only)")
        connection.execute(_PROFILES)
        return Preview(
            as_of=as_of,
            seeds=list(_edited_seeds(connection)),
            profiles_before=_count(connection, "before_id"),
            profiles_after=_count(connection, "after_id"),
            changes=list(_changes(connection)),
            identifiers=_identifiers(connection),
            audiences=list(_audiences(connection)) if audiences else [],
        )


def _last_as_of(settings: Settings) -> datetime:
    """The logical time of the run that made the read copy."""
    report = last_run(settings)
    if report:
        return parse_as_of(report.as_of)
    with read_copy(settings.published) as connection:
        ((landed,),) = connection.execute(
            "select max(as_of) from raw.membership_changes"
        ).fetchall()
    if landed is None:
        raise NoLogicalTimeError(
            "Nobody knows the logical time of the last refresh: say it with --as-of 2026-01-31T00:00:00."
        )
    return parse_as_of(str(landed))


# An identifier that is shared on either side belongs to nobody; where it is at home makes no merge and no split.
_PROFILES = """
    create temp table identifiers as
    select
        coalesce(after.identifier_id, before.identifier_id) as identifier_id,
        coalesce(after.identifier_type, before.identifier_type) as identifier_type,
        coalesce(after.identifier_value, before.identifier_value) as identifier_value,
        coalesce(after.priority, before.priority) as priority,
        before.profile_id as before_home,
        after.profile_id as after_home,
        case when not before.is_shared then before.profile_id end as before_id,
        case when not after.is_shared then after.profile_id end as after_id,
        before.is_shared as was_shared,
        after.is_shared as is_shared
    from identity.dim_identifiers as after
    full join earlier.identity.dim_identifiers as before
        on after.identifier_id = before.identifier_id
"""


def _count(connection: duckdb.DuckDBPyConnection, side: str) -> int:
    found = connection.execute(f"select count(distinct {side}) from identifiers")
    return int(found.fetchall()[0][0])


def _identifiers(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    row = connection.execute(
        """
        select
            count(*) filter (where before_home <> after_home),
            count(*) filter (where is_shared and not was_shared),
            count(*) filter (where was_shared and not is_shared),
            count(*) filter (where after_home is null),
            count(*) filter (where before_home is null)
        from identifiers
        """
    ).fetchall()[0]
    names = (
        "in another profile than before",
        "that become shared",
        "that are shared no longer",
        "that become blocked",
        "that were blocked and count again",
    )
    return {name: n for name, n in zip(names, row, strict=True) if n}


def _changes(connection: duckdb.DuckDBPyConnection) -> Iterator[Change]:
    """Groups of profiles that exchange identifiers, each with what becomes of it."""
    moved = connection.execute(
        """
        select distinct before_id, after_id
        from identifiers
        where before_id in (select before_id from identifiers where before_id is distinct from after_id)
            or after_id in (select after_id from identifiers where before_id is distinct from after_id)
        order by all
        """
    ).fetchall()
    names = _names(connection)
    groups = sorted(
        _groups(moved), key=lambda g: (-len(g[0]) - len(g[1]), sorted(g[0]))
    )
    for before, after in groups:
        if kind := _kind(before, after):
            yield Change(
                kind,
                {
                    profile: names.get(("before", profile), [])
                    for profile in sorted(before)
                },
                {
                    profile: names.get(("after", profile), [])
                    for profile in sorted(after)
                },
            )


def _kind(before: set[str], after: set[str]) -> str | None:
    if before == after and len(before) == 1:
        return None  # it lost or gained an identifier, and is the profile it was
    counts = min(len(before), 2), min(len(after), 2)
    kinds = {(2, 1): "merge", (1, 2): "split", (2, 2): "regroup", (1, 1): "id"}
    return kinds.get(counts, "gone" if before else "new")


def _groups(
    pairs: list[tuple[str | None, str | None]],
) -> list[tuple[set[str], set[str]]]:
    """Connected groups of old and new profiles, by union-find."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def find(item: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for before, after in pairs:
        ends = [
            (side, name)
            for side, name in (("before", before), ("after", after))
            if name is not None
        ]
        for end in ends:
            parent[find(end)] = find(ends[0])
    groups: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for side, name in parent:
        sides = groups.setdefault(find((side, name)), (set(), set()))
        sides[side == "after"].add(name)
    return list(groups.values())


def _names(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], list[str]]:
    """A few identifiers of every profile that something changes about."""
    rows = connection.execute(
        """
        with sides as (
            select 'before' as side, before_id as profile_id, * from identifiers
            union all
            select 'after', after_id, * from identifiers
        ),
        changed as (
            select before_id as profile_id from identifiers where before_id is distinct from after_id
            union
            select after_id from identifiers where before_id is distinct from after_id
        )
        select side, profile_id, identifier_id, identifier_type, identifier_value
        from sides
        where profile_id in (from changed where profile_id is not null)
        qualify row_number() over (
            partition by side, profile_id order by priority, identifier_type, identifier_value
        ) <= 4
        order by side, profile_id, priority, identifier_type, identifier_value
        """
    ).fetchall()
    names: dict[tuple[str, str], list[str]] = {}
    for side, profile, *identifier in rows:
        names.setdefault((side, profile), []).append(str(Identifier(*identifier)))
    return names


def _audiences(connection: duckdb.DuckDBPyConnection) -> Iterator[AudienceMove]:
    """People are compared, not ids: a former member is whoever the old id leads to."""
    rows = connection.execute(
        """
        with before as (
            select distinct audience_name, coalesce(ids.profile_id, members.profile_id) as profile_id
            from earlier.audiences.fct_audience_members as members
            left join identity.dim_profile_ids as ids on members.profile_id = ids.any_profile_id
        ),
        after as (select distinct audience_name, profile_id from audiences.fct_audience_members),
        compared as (
            select
                coalesce(before.audience_name, after.audience_name) as audience_name,
                before.profile_id is not null as was_in,
                after.profile_id is not null as is_in
            from before
            full join after
                on before.audience_name = after.audience_name and before.profile_id = after.profile_id
        ),
        counted as (
            select audience_name, count(distinct profile_id) as members
            from earlier.audiences.fct_audience_members
            group by audience_name
        )
        select
            compared.audience_name,
            coalesce(any_value(counted.members), 0),
            count(*) filter (where is_in),
            count(*) filter (where is_in and not was_in),
            count(*) filter (where was_in and not is_in),
            coalesce(any_value(counted.members), 0) - count(*) filter (where was_in)
        from compared
        left join counted on compared.audience_name = counted.audience_name
        group by compared.audience_name
        order by compared.audience_name
        """
    ).fetchall()
    return (AudienceMove(*row) for row in rows)


def _edited_seeds(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Seeds whose rows differ, so that a person sees what is previewed."""
    tables = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'seeds' and database_name = 'earlier' order by 1"
    ).fetchall()
    for (name,) in tables:
        try:
            rows = connection.execute(
                f"""
                (select * from seeds."{name}" except all select * from earlier.seeds."{name}")
                union all
                (select * from earlier.seeds."{name}" except all select * from seeds."{name}")
                limit 1
                """
            ).fetchall()
        except duckdb.Error:  # another shape: edited, or gone
            rows = [()]
        if rows:
            yield name


def _shown(changes: list[Change], sentence: str) -> Iterator[str]:
    if not changes:
        return
    yield f"{len(changes):,} {sentence}:"
    for change in changes[:SHOWN]:
        yield f"  {_side(change.before)} → {_side(change.after)}"
    if len(changes) > SHOWN:
        yield f"  … and {len(changes) - SHOWN:,} more (--json has all)"


def _side(profiles: dict[str, list[str]]) -> str:
    shown = [
        f"{visible(profile, 12)} ({', '.join(names[:2]) or 'no identifier'})"
        for profile, names in list(profiles.items())[:4]
    ]
    more = [f"{len(profiles) - 4} more"] if len(profiles) > 4 else []
    return " + ".join([*shown, *more]) or "nobody"
