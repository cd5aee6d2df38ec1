"""What somebody said since the plan was made, held against the plan: who asked to be erased, or took an agreement back.

The next refresh plans the removals; until then nothing new is told of the person. In doubt somebody waits for that
refresh: a value too many costs a day, a value too few reaches somebody who said no.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.privacy.subject import subject_of
from orchestration.relay.news import Meanings, News, plain
from orchestration.warehouse.schema import read_copy

Row = dict[str, Any]


def still_allowed(
    changes: Iterable[ActivationChange], sync: Sync, settings: Settings
) -> list[ActivationChange]:
    """The changes but those about such a person; removals stay."""
    with read_copy(settings.published) as connection:
        allowed = _without_erased(list(changes), connection, settings)
        if any(change.action != "exit" for change in allowed) and _is_asked_for(
            connection, sync.purpose
        ):
            allowed = _without_refusals(allowed, connection, settings)
    return allowed


def _without_erased(
    changes: list[ActivationChange],
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
) -> list[ActivationChange]:
    named = [
        (each["type"], each["value"])
        for row in _tail(connection, settings, "privacy_requests")
        if row["request_type"] == "erasure"
        for each in row["identifiers"]
    ]
    if not named:
        return changes
    asked = subject_of(connection, named)
    keys = {value.lower() for _, value in asked.named}
    return [
        change
        for change in changes
        if change.action == "exit"
        or not (
            change.profile_id in asked.profile_ids
            or change.recipient_key.lower() in keys
        )
    ]


def _is_asked_for(connection: duckdb.DuckDBPyConnection, purpose: str) -> bool:
    """Whether consent matters for the purpose."""
    found = connection.execute(
        "select enforcement <> 'off' from seeds.purposes where purpose = ?", [purpose]
    ).fetchall()
    return any(matters for (matters,) in found)


def _without_refusals(
    changes: list[ActivationChange],
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
) -> list[ActivationChange]:
    news = _refusals(connection, settings)
    if not news.touched:
        return changes
    known = _names_of(connection, changes)
    return [
        change
        for change in changes
        if change.action == "exit"
        or not news.touched
        & news.around(
            {plain(change.recipient_key)}
            | known[change.profile_id]
            | known[change.recipient_key]
        )
    ]


def _refusals(connection: duckdb.DuckDBPyConnection, settings: Settings) -> News:
    """Whom records landed since the copy touch that say anything of consent but yes, and who is connected with whom."""
    names = connection.execute(_NAMES).fetchall()
    yes = {word for (word,) in connection.execute(_YES).fetchall()}
    news = News(Meanings(news=frozenset(names), triggers=frozenset()))
    for row in _tail(connection, settings, "events"):
        is_yes = all(word in yes for word in _words(row["consent"]))
        news.hear("events", row | {"consent": None} if is_yes else row)
    for row in _tail(connection, settings, "profiles"):
        if not all(word in yes for word in _words(row["consent"])):
            news.hear("profiles", row)
    return news


def _tail(
    connection: duckdb.DuckDBPyConnection, settings: Settings, stream: str
) -> Iterator[Row]:
    seen = connection.execute(
        "select segment from raw.loads where stream = ?", [stream]
    ).fetchall()
    return read_tail(settings.landing, stream, {name for (name,) in seen})


def _words(consent: Any) -> Iterator[str]:
    """Every status in what a record says of consent, as consent_words spells them."""
    if isinstance(consent, dict):
        for each in consent.values():
            yield from _words(each)
    elif consent is not None:
        yield str(consent).strip().lower().replace("-", "_").replace(" ", "_")


def _names_of(
    connection: duckdb.DuckDBPyConnection, changes: list[ActivationChange]
) -> dict[str | None, set[str]]:
    """Everything that the people of these changes are known by: by their profile, and by each of their identifiers."""
    rows = connection.execute(
        _THEIRS,
        {
            "profiles": list({c.profile_id for c in changes if c.profile_id}),
            "keys": list({c.recipient_key for c in changes}),
        },
    ).fetchall()
    known: dict[str | None, set[str]] = defaultdict(set)
    for profile_id, value in rows:
        known[profile_id].add(plain(value))
    for profile_id, value in rows:
        known[value] |= known[profile_id]
    return known


# By type and name as the taxonomy knows them, and by the canonical name itself.
_NAMES = """
    with saying_no as (
        select 'consent_updated' as canonical_name
        union select canonical_name from seeds.suppressing_events
    )
    select event_type, event_name from seeds.event_taxonomy
    where canonical_name in (from saying_no)
    union
    select 'track', replace(canonical_name, '_', ' ') from saying_no
"""
_YES = (
    "select word from seeds.consent_words where kind = 'status' and meaning = 'granted'"
)
_THEIRS = """
    select profile_id, identifier_value from identity.dim_identifiers
    where profile_id in (
        select unnest($profiles::varchar[])
        union
        select profile_id from identity.dim_identifiers
        where identifier_value in (select unnest($keys::varchar[])) and not is_shared
    )
"""
