"""Audiences as pictures beside the asset audiences/fct_audience_members: sizes over time, overlaps, whom they can reach.

What is drawn is what the tables say; nothing is decided here.
"""

from datetime import datetime

import dagster as dg
import duckdb

from orchestration.pictures import bars_of_shares, matrix, steps

MEMBERS = dg.AssetKey(["audiences", "fct_audience_members"])
# What fits into a picture: the largest audiences.
SHOWN = 12

SIZES = """
    with moves as (
        select audience_name, entered_at as moved_at, 1 as change
        from audiences.fct_audience_membership
        union all
        select audience_name, exited_at, -1
        from audiences.fct_audience_membership
        where exited_at is not null
    )
    select
        audience_name,
        moved_at,
        sum(sum(change)) over (partition by audience_name order by moved_at)
    from moves
    group by audience_name, moved_at
    order by audience_name, moved_at
"""
_PEOPLE = """
    create or replace temp table people as
    select distinct audience_name, profile_id from audiences.fct_audience_members
"""
_OVERLAPS = """
    select one.audience_name, other.audience_name, count(*)
    from people as one
    inner join people as other on one.profile_id = other.profile_id
    group by all
"""
_COVERAGE = """
    select
        people.audience_name,
        count(*),
        count(profiles.user_id),
        count(profiles.email),
        count(profiles.phone),
        count(devices.profile_id)
    from people
    left join profiles.dim_profiles as profiles on people.profile_id = profiles.profile_id
    left join (
        select distinct profile_id from identity.dim_identifiers
        where identifier_type in ('device_id', 'anonymous_id')
    ) as devices on people.profile_id = devices.profile_id
    group by people.audience_name
    order by count(*) desc, people.audience_name
"""
KINDS = ("user id", "e-mail", "phone", "device")


def audience_metadata(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, dg.MarkdownMetadataValue]:
    """A picture each of sizes over time, overlaps and coverage; none without members."""
    connection.execute(_PEOPLE)
    covered = connection.execute(_COVERAGE).fetchall()[:SHOWN]
    if not covered:
        return {}
    shown = [name for name, *_ in covered]
    sizes: dict[str, list[tuple[datetime, int]]] = {name: [] for name in shown}
    for name, at, size in connection.execute(SIZES).fetchall():
        if name in sizes:
            sizes[name].append((at, int(size)))
    overlaps = {
        (one, other): count
        for one, other, count in connection.execute(_OVERLAPS).fetchall()
    }
    shares = {
        name: {kind: known / members for kind, known in zip(KINDS, counts, strict=True)}
        for name, members, *counts in covered
    }
    return {
        "sizes_over_time": steps("Members over time", sizes),
        "overlaps": matrix("People in both", shown, overlaps),
        "coverage": bars_of_shares("Members known by", shares),
    }
