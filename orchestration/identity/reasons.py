"""Why two identifiers are not one person: limits, lists and blocked values, each as a sentence with the row behind it."""

from collections.abc import Iterable, Iterator, Sequence

import duckdb

from orchestration.identity.graph import Identifier, Link, identifiers_of, links_at
from orchestration.identity.picture import visible


def why_not(
    connection: duckdb.DuckDBPyConnection,
    a: Identifier,
    b: Identifier,
    way: Sequence[Link],
    links: Iterable[Link],
) -> Iterator[str]:
    """What keeps two identifiers apart: along the nearest approach, in the lists, in blocked values."""
    barriers = [link for link in way if not link.is_live]
    for link in dict.fromkeys([*barriers, *_between(a, b, links)]):
        yield from _limit(connection, link)
        yield from _declaration(connection, link)
    if not way:
        yield "No evidence connects them: no record names both, directly or through anybody near them."
    yield from _blocked_between(connection, a, b)


def _between(a: Identifier, b: Identifier, links: Iterable[Link]) -> Iterator[Link]:
    """Never-together rows between the two profiles, whether on the way or not."""
    sides = {a.profile_id, b.profile_id}
    for link in links:
        if (
            link.origin == "never together"
            and {link.a.profile_id, link.b.profile_id} == sides
        ):
            yield link


def _limit(connection: duckdb.DuckDBPyConnection, link: Link) -> Iterator[str]:
    """Which values a merge would have brought together, where a limit forbade it."""
    _, is_limit, kind = link.rule.partition("limit of ")
    if not is_limit:
        return
    weak = link.b if link.b.is_shared else link.a
    touched = links_at(connection, [weak.key]) if weak.is_shared else [link]
    ends = {end for each in touched for end in (each.a, each.b) if not end.is_shared}
    members = identifiers_of(connection, {e.profile_id for e in ends if e.profile_id})
    values = [str(each) for each in members if each.kind == kind and not each.is_shared]
    allowed = connection.execute(
        "select max_per_profile from identity.int_identifier_rules where identifier_type = ?",
        [kind],
    ).fetchall()
    shown = ", ".join(values[:6]) + (" …" if len(values) > 6 else "")
    yield (
        f"limit: a profile holds at most {allowed[0][0] if allowed else '?'} {kind};"
        f" {weak if weak.is_shared else 'together they'} would bring together {len(values)}: {shown}"
    )


def _declaration(connection: duckdb.DuckDBPyConnection, link: Link) -> Iterator[str]:
    if link.origin != "never together":
        return
    pair = sorted([(link.a.kind, link.a.value), (link.b.kind, link.b.value)])
    rows = connection.execute(
        """
        select reason from seeds.never_together
        where (identifier_type_a, identifier_value_a, identifier_type_b, identifier_value_b) in (
            ($1, $2, $3, $4), ($3, $4, $1, $2)
        )
        """,
        [*pair[0], *pair[1]],
    ).fetchall()
    reason = visible(rows[0][0] or "no reason given", 200) if rows else "no reason"
    yield f"never_together: {link.a} and {link.b} ({reason})"


def _blocked_between(
    connection: duckdb.DuckDBPyConnection, a: Identifier, b: Identifier
) -> Iterator[str]:
    """Values that records of both carried and that never identify anyone."""
    keys = [
        [
            each.key,
            *(i.key for i in identifiers_of(connection, [each.profile_id or ""])),
        ]
        for each in (a, b)
    ]
    rows = connection.execute(_BLOCKED_BETWEEN, keys).fetchall()
    for kind, value, reason in rows:
        yield (
            f"blocked: records of both carry {visible(kind, 40)} {visible(value, 80)!r},"
            f" which identifies nobody ({visible(reason or 'blocked', 80)})"
        )


_BLOCKED_BETWEEN = """
    with sides as (
        select distinct side.side, candidates.identifier_set_id
        from identity.int_candidate_identifiers as candidates
        join (
            select 1 as side, unnest($1::bigint[]) as identifier_id
            union all
            select 2 as side, unnest($2::bigint[])
        ) as side using (identifier_id)
    ),
    given as (
        select distinct sides.side, item.item.type as kind, trim(item.item.value) as value
        from sides
        join identity.int_identifier_sets as sets using (identifier_set_id)
        cross join unnest(sets.identifiers) as item (item)
    ),
    both_gave as (select kind, value from given group by kind, value having count(*) = 2)
    select distinct both_gave.kind, both_gave.value, blocked.reason
    from both_gave
    join seeds.blocked_identifiers as blocked
        on blocked.identifier_type in ('*', both_gave.kind)
        and case blocked.match
            when 'exact' then lower(both_gave.value) = blocked.blocked_value
            else translate(both_gave.value, blocked.blocked_value, '') = ''
        end
    where both_gave.value <> ''
    order by all
    limit 5
"""
