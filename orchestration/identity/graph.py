"""The identity graph as the read copy holds it: identifiers, and what speaks for and against their being one person.

Reads fct_identity_edges and dim_identifiers and decides nothing: which edge counts is SQL. Which identifier somebody
means is finding.py's business, what is said about it explain.py's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import duckdb

from orchestration.identity.picture import Edge, Node, visible
from orchestration.identity.ways import pairs_to, steps_from

# How much of the graph around two people is looked at, in edges; a bound for memory, far above what a person has.
MOST_EDGES = 50_000


@dataclass(frozen=True)
class Identifier:
    """One identifier and whose it is. A hub has no profile."""

    key: int
    kind: str
    value: str
    profile_id: str | None = None
    is_shared: bool = False

    def __str__(self) -> str:
        return f"{visible(self.kind, 40)}:{visible(self.value, 80)}"


@dataclass(frozen=True)
class Evidence:
    """A landed record that names two identifiers."""

    at: datetime
    record_id: UUID
    source_id: str


@dataclass(frozen=True)
class Link:
    """A row of fct_identity_edges."""

    a: Identifier
    b: Identifier
    is_live: bool
    origin: str
    demotion: str | None
    rule: str
    first: Evidence | None
    last: Evidence | None

    def other(self, key: int) -> Identifier:
        return self.b if self.a.key == key else self.a


def identifiers_of(
    connection: duckdb.DuckDBPyConnection, profile_ids: Iterable[str]
) -> list[Identifier]:
    """The identifiers of profiles, those first that are strong and early; shared ones are where they are at home."""
    rows = connection.execute(
        """
        select identifier_id, identifier_type, identifier_value, profile_id, is_shared
        from identity.dim_identifiers
        where profile_id in (select unnest(?::varchar[]))
        order by is_shared, priority, first_record_id, identifier_type, identifier_value
        """,
        [sorted(set(profile_ids))],
    ).fetchall()
    return [Identifier(*row) for row in rows]


def links_of(
    connection: duckdb.DuckDBPyConnection, profile_ids: Iterable[str]
) -> list[Link]:
    """What connects each of these profiles."""
    return _links(
        connection,
        "profile_id in (select unnest($chosen::varchar[]))",
        {"chosen": sorted(set(profile_ids))},
    )


def links_at(connection: duckdb.DuckDBPyConnection, keys: Iterable[int]) -> list[Link]:
    """Everything that speaks for or against these identifiers being one person with another."""
    chosen = "in (select unnest($chosen::bigint[]))"
    return _links(
        connection,
        f"identifier_id_a {chosen} or identifier_id_b {chosen}",
        {"chosen": sorted(set(keys))},
    )


def _links(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    values: Mapping[str, object],
    limit: int = MOST_EDGES,
) -> list[Link]:
    rows = connection.execute(
        _LINKS.format(where=where, limit=limit), dict(values)
    ).fetchall()
    return [_link(row) for row in rows]


_LINKS = """
    with edges as (select * from identity.fct_identity_edges where {where})
    select
        edges.identifier_id_a, identifier_type_a, identifier_value_a, a.profile_id, coalesce(a.is_shared, false),
        edges.identifier_id_b, identifier_type_b, identifier_value_b, b.profile_id, coalesce(b.is_shared, false),
        is_live, origin, demotion, rule,
        edges.first_seen_at, earliest_record_id, earliest_source_id,
        edges.last_seen_at, latest_record_id, latest_source_id
    from edges
    left join identity.dim_identifiers as a on edges.identifier_id_a = a.identifier_id
    left join identity.dim_identifiers as b on edges.identifier_id_b = b.identifier_id
    order by not is_live, edges.first_seen_at, earliest_record_id, 1, 6, origin
    limit {limit}
"""


def _link(row: tuple[Any, ...]) -> Link:
    a, b = Identifier(*row[:5]), Identifier(*row[5:10])
    first, last = (
        Evidence(*found) if found[1] else None for found in (row[14:17], row[17:20])
    )
    return Link(a, b, row[10], row[11], row[12], row[13], first, last)


def path(links: Iterable[Link], start: int, end: int) -> list[Link] | None:
    """The way between two identifiers over these links, by `steps_from`; None when there is none."""
    best: dict[tuple[int, int], Link] = {}
    for link in sorted(links, key=lambda link: (not link.is_live, link.origin)):
        best.setdefault((link.a.key, link.b.key), link)
    joints = [(*pair, link.is_live) for pair, link in best.items()]
    pairs = pairs_to(steps_from(joints, start), start, end)
    return None if pairs is None else [best[pair] for pair in pairs]


def live_path(
    connection: duckdb.DuckDBPyConnection, profile_id: str, start: int, end: int
) -> list[Link]:
    """The shortest chain between two identifiers of one profile, however large that is."""
    pairs = pairs_to(live_steps(connection, profile_id, start), start, end) or []
    links = live_links(connection, profile_id, pairs)
    return [links[pair] for pair in pairs]


def live_steps(
    connection: duckdb.DuckDBPyConnection, profile_id: str, start: int
) -> dict[int, int]:
    """Every identifier of the profile → the one before it on the shortest chain from `start`."""
    joints = connection.execute(
        """
        select identifier_id_a, identifier_id_b, is_live
        from identity.fct_identity_edges where profile_id = ?
        """,
        [profile_id],
    ).fetchall()
    return steps_from(joints, start)


def live_links(
    connection: duckdb.DuckDBPyConnection,
    profile_id: str,
    pairs: Iterable[tuple[int, int]],
) -> dict[tuple[int, int], Link]:
    """The links of a profile between these pairs; what records say before what a person declared."""
    listed = list(pairs)
    links = _links(
        connection,
        "profile_id = $profile and (identifier_id_a, identifier_id_b) in"
        " (select (unnest($a::bigint[]), unnest($b::bigint[])))",
        {
            "profile": profile_id,
            "a": [a for a, _ in listed],
            "b": [b for _, b in listed],
        },
        limit=2 * len(listed),
    )
    found: dict[tuple[int, int], Link] = {}
    for link in sorted(links, key=lambda link: link.origin, reverse=True):
        found.setdefault((link.a.key, link.b.key), link)
    return found


def around(
    connection: duckdb.DuckDBPyConnection, start: Identifier, reach: int
) -> list[Link]:
    """What connects the identifier's profile, and what lies within `reach` refusals of it, other profiles in whole."""
    links: dict[Link, None] = {}
    profiles = {start.profile_id} if start.profile_id and not start.is_shared else set()
    keys, seen, whole = {start.key}, set[int](), set[str]()
    for step in range(reach + 1):
        found = links_of(connection, profiles - whole) if profiles - whole else []
        whole |= profiles
        links |= dict.fromkeys(found)
        keys |= {i.key for i in identifiers_of(connection, profiles) if not i.is_shared}
        keys |= {end.key for link in found for end in (link.a, link.b)}
        if step == reach or len(links) >= MOST_EDGES:
            break
        met = links_at(connection, keys - seen)
        seen |= keys
        links |= dict.fromkeys(met)
        ends = {end for link in met for end in (link.a, link.b)}
        # A hub leads to everybody: it is an end of the way, never a part of it.
        keys = {end.key for end in ends if end.profile_id} - seen
        profiles = {e.profile_id for e in ends if e.profile_id and not e.is_shared}
    return list(links)


def component(
    connection: duckdb.DuckDBPyConnection, profile_id: str
) -> tuple[list[Node], list[Edge]]:
    """A profile for the picture: its identifiers and whatever they were seen with and kept apart from."""
    members = identifiers_of(connection, [profile_id])
    links = links_at(connection, [member.key for member in members])
    known = {member.key: member for member in members}
    others = {
        e.key: e for link in links for e in (link.a, link.b) if e.key not in known
    }
    nodes = [_node(each, profile_id) for each in [*members, *others.values()]]
    return nodes, [_edge(link) for link in links]


def _node(identifier: Identifier, profile_id: str) -> Node:
    role, note = "member", ""
    if identifier.profile_id is None:
        role, note = "shared", "nobody's"
    elif identifier.is_shared:
        role, note = "shared", "shared"
    elif identifier.profile_id != profile_id:
        role, note = "stranger", "another profile"
    return Node(identifier.key, identifier.kind, identifier.value, role, note)


def _edge(link: Link) -> Edge:
    said = f"{link.first.source_id} · {link.first.at:%Y-%m-%d}" if link.first else ""
    return Edge(
        link.a.key,
        link.b.key,
        said or link.rule,
        refused=None if link.is_live else link.rule,
    )
