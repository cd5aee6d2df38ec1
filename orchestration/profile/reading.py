"""Everything the read copy holds about one person, as rows. Nothing is shown here.

A person is found by any identifier, by type:value or the value alone, or by any profile id they ever had.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.identity.finding import NotFoundError, find
from orchestration.identity.graph import (
    Identifier,
    Link,
    component,
    identifiers_of,
    links_of,
)
from orchestration.identity.picture import Edge, Node

PROFILE_ID = re.compile(r"p_[0-9a-f]{32}")
# What is read of the long lists, the latest first. Valid: 1 and up.
MOST_ROWS = 500

Row = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """One profile. Lists are in the order of time, the latest last; `totals` counts what was not read, too."""

    profile_id: str
    traits: Row
    identifiers: list[Row]
    merges: list[Row]
    links: list[Link]
    attributes: list[Row]
    changes: list[Row]
    events: list[Row]
    sessions: list[Row]
    orders: list[Row]
    revenue: list[Row]
    consents: list[Row]
    consent_words: list[Row]
    audiences: list[Row]
    deliveries: list[Row]
    totals: dict[str, int]
    graph: tuple[list[Node], list[Edge]]

    def as_dict(self) -> dict[str, Any]:
        """For programs: JSON but for times and decimals."""
        rows = {
            name: value
            for name, value in vars(self).items()
            if name not in ("links", "graph")
        }
        return rows | {"edges": [_edge(link) for link in self.links]}


def read_person(
    connection: duckdb.DuckDBPyConnection, asked: str, most: int = MOST_ROWS
) -> Person:
    """Raises NotFoundError with a sentence when nobody, or more than one person, is meant."""
    profile_id = profile_of(connection, asked)
    return person(connection, profile_id, most)


def profile_of(connection: duckdb.DuckDBPyConnection, asked: str) -> str:
    """Today's profile id."""
    if PROFILE_ID.fullmatch(asked.strip()):
        return _by_former_id(connection, asked.strip())
    found: Identifier = find(connection, asked)
    if found.profile_id is None:
        raise NotFoundError(
            f"{found} is blocked as a hub: too many people were seen with it, so it is nobody's."
        )
    return found.profile_id


def _by_former_id(connection: duckdb.DuckDBPyConnection, asked: str) -> str:
    rows = connection.execute(
        "select profile_id from identity.dim_profile_ids where any_profile_id = ?",
        [asked],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"No profile ever had the id {asked}.")
    return str(rows[0][0])


def newest(connection: duckdb.DuckDBPyConnection, count: int) -> list[str]:
    """The profiles seen last, people known by more than a device first."""
    rows = connection.execute(
        "select profile_id from profiles.dim_profiles"
        " order by profile_kind, last_seen_at desc nulls last, profile_id limit ?",
        [count],
    ).fetchall()
    return [str(profile_id) for (profile_id,) in rows]


def person(
    connection: duckdb.DuckDBPyConnection, profile_id: str, most: int = MOST_ROWS
) -> Person:
    """The person of a profile id that is one today."""
    lists = {name: _rows(connection, sql, profile_id) for name, sql in _LISTS.items()}
    long = {
        name: _rows(connection, f"{sql} limit {most}", profile_id)[::-1]
        for name, sql in _LONG_LISTS.items()
    }
    traits = _rows(
        connection,
        "select * from profiles.dim_profiles where profile_id = $profile",
        profile_id,
    )
    return Person(
        profile_id=profile_id,
        traits=traits[0] if traits else {},
        identifiers=[
            {"type": each.kind, "value": each.value, "is_shared": each.is_shared}
            for each in identifiers_of(connection, [profile_id])
        ],
        links=links_of(connection, [profile_id]),
        graph=component(connection, profile_id),
        totals={
            name: _rows(connection, f"select count(*) as n from ({sql})", profile_id)[
                0
            ]["n"]
            for name, sql in _LONG_LISTS.items()
        },
        **lists,
        **long,
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, profile_id: str
) -> list[Row]:
    cursor = connection.execute(sql, {"profile": profile_id})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _edge(link: Link) -> Row:
    evidence = {
        name: None
        if seen is None
        else {"at": seen.at, "source_id": seen.source_id, "record_id": seen.record_id}
        for name, seen in (("first", link.first), ("last", link.last))
    }
    return {"a": str(link.a), "b": str(link.b), "rule": link.rule, **evidence}


def names(rows: Sequence[Row], column: str) -> list[str]:
    """The values of one column, each once, in their order."""
    return list(dict.fromkeys(str(row[column]) for row in rows))


# One row per thing; everything that is short.
_LISTS = {
    "merges": """
        select * from identity.fct_profile_merges
        where surviving_profile_id in (
            select any_profile_id from identity.dim_profile_ids where profile_id = $profile
        )
        order by changed_at, reason, previous_profile_id
    """,
    "attributes": """
        select attributes.path, attributes.value_text as value, attributes.changed_at,
            attributes.source_id, attributes.record_id, lineage.changes, lineage.rule
        from profiles.int_profile_attributes as attributes
        inner join (
            select path, count(*) as changes, any_value(rule) as rule
            from profiles.fct_attribute_changes where profile_id = $profile group by path
        ) as lineage on attributes.path = lineage.path
        where attributes.profile_id = $profile
        order by attributes.path
    """,
    "revenue": """
        select currency, revenue, refunded, order_count, average_order_value
        from profiles.fct_profile_revenue where profile_id = $profile order by currency
    """,
    "consents": """
        select contact_type, contact_value, purpose, channel, state, since, source_id, record_id, evidence
        from profiles.dim_consents where profile_id = $profile
        order by purpose, channel, contact_type, contact_value
    """,
    "audiences": """
        select audience_name, instance_key, entered_at, enter_reason, exited_at, exit_reason
        from audiences.fct_audience_membership where profile_id = $profile
        order by entered_at, audience_name
    """,
}

# Lists that grow with a life; the latest first, because only so many are read.
_LONG_LISTS = {
    "changes": """
        select path, old_value, new_value, changed_at, source_id, record_id, rule
        from profiles.fct_attribute_changes where profile_id = $profile
        order by changed_at desc, record_id desc, path
    """,
    "events": """
        select events.occurred_at, events.original_timestamp, events.sent_at, events.received_at,
            events.source_id, events.channel, events.event_type, events.event_name, events.canonical_name,
            events.page_path, events.page_title, events.order_id, events.product_id, events.value,
            events.currency, events.properties, sessions.session_id, events.event_id, events.record_id
        from staging.fct_events as events
        inner join identity.int_record_profiles as record_profiles
            on events.record_id = record_profiles.record_id
        left join sessions.int_event_sessions as sessions on events.record_id = sessions.record_id
        where record_profiles.profile_id = $profile
        order by events.occurred_at desc, events.record_id desc
    """,
    "sessions": """
        select * from sessions.fct_sessions where profile_id = $profile
        order by started_at desc, session_id
    """,
    "orders": """
        select * from orders.fct_orders where profile_id = $profile
        order by coalesce(ordered_at, first_event_at) desc, order_id
    """,
    "consent_words": """
        select words.contact_type, words.contact_value, words.purpose, words.channel, words.state,
            words.occurred_at, words.source_id, words.record_id, words.evidence, words.is_counted
        from profiles.fct_consents as words
        inner join identity.dim_identifiers as identifiers
            on words.contact_type = identifiers.identifier_type
            and words.contact_value = identifiers.identifier_value
        where identifiers.profile_id = $profile
        order by words.occurred_at desc, words.record_id desc, words.purpose, words.channel
    """,
    "deliveries": """
        select attempts.sync_name, attempts.action, attempts.happened_at, outcomes.outcome, outcomes.detail,
            attempts.op_id, attempts.record_id
        from staging.stg_landing__deliveries as attempts
        inner join identity.dim_profile_ids as ids on attempts.profile_id = ids.any_profile_id
        left join staging.stg_landing__deliveries as outcomes
            on attempts.attempt_id = outcomes.attempt_id and outcomes.kind = 'outcome'
        where attempts.kind = 'attempt' and ids.profile_id = $profile
        order by attempts.happened_at desc, attempts.record_id desc
    """,
}
