"""Two warehouses with the same landed records, built by different rules: what differs between their people.

Both are read, neither is changed. How they came to be is scratch.py's business, how it is told preview.py's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.identity.graph import Identifier
from orchestration.warehouse.schema import read_copy


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


@contextmanager
def side_by_side(before: Path, after: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the later warehouse, with the earlier one attached and every identifier on both sides."""
    with read_copy(after) as connection:
        quoted = str(before).replace("'", "''")
        connection.execute(f"attach '{quoted}' as earlier (read_only)")
        connection.execute(_IDENTIFIERS)
        yield connection


# An identifier that is shared on either side belongs to nobody; where it is at home makes no merge and no split.
_IDENTIFIERS = """
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


def profile_count(connection: duckdb.DuckDBPyConnection, side: str) -> int:
    found = connection.execute(f"select count(distinct {side}) from identifiers")
    return int(found.fetchall()[0][0])


def identifier_changes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
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


def profile_changes(connection: duckdb.DuckDBPyConnection) -> Iterator[Change]:
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


def audience_moves(connection: duckdb.DuckDBPyConnection) -> Iterator[AudienceMove]:
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


def edited_seeds(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
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
