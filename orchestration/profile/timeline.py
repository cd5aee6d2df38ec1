"""What happened to one person, in one order: events, what was learnt, merges, orders, consent, audiences, deliveries.

Words for people, as plain text; escaping and looks belong to whoever shows them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from orchestration.profile.reading import Person, Row

KINDS = {
    "event": "Events",
    "attribute": "What was learnt",
    "identity": "Identity",
    "order": "Orders",
    "consent": "Consent",
    "audience": "Audiences",
    "delivery": "Deliveries",
}
# What an event says of itself is shown; what the timeline shows anyway is not.
SHOWN_PROPERTIES = 8
KNOWN_PROPERTIES = (
    *("order_id", "product_id", "currency", "price", "value", "revenue", "total"),
    *("path", "title", "url"),
)


@dataclass(frozen=True)
class Moment:
    """One line of the timeline. `sent_at` is what the sender's clock said, where it was corrected."""

    at: datetime
    kind: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    source: str = ""
    sent_at: datetime | None = None
    session: str | None = None
    record: str = ""


def moments(person: Person) -> list[Moment]:
    """Everything, the earliest first."""
    found = chain(
        map(_event, person.events),
        _learnt(person.changes),
        map(_merge, person.merges),
        _orders(person),
        map(_consent, person.consent_words),
        chain.from_iterable(map(_stay, person.audiences)),
        map(_delivery, person.deliveries),
    )
    order = list(KINDS)
    return sorted(found, key=lambda m: (m.at, order.index(m.kind), m.record, m.title))


def _event(row: Row) -> Moment:
    name = row["event_name"] or row["canonical_name"] or row["event_type"]
    if row["event_type"] in ("page", "screen"):
        place = row["page_title"] or row["page_path"] or row["event_name"] or ""
        name = f"Looked at {place or 'a page'}"
    elif row["event_type"] == "identify":
        name = "Said who they are"
    facts = [("order", row["order_id"]), ("product", row["product_id"])]
    if row["value"] is not None:
        facts.append(("value", money(row["value"], row["currency"])))
    facts += _properties(row)
    sent = row["original_timestamp"]
    return Moment(
        at=row["occurred_at"],
        kind="event",
        title=str(name),
        facts=tuple((label, str(value)) for label, value in facts if value is not None),
        source=row["source_id"],
        sent_at=sent if sent is not None and sent != row["occurred_at"] else None,
        session=row["session_id"],
        record=str(row["record_id"]),
    )


def _properties(row: Row) -> Iterator[tuple[str, str]]:
    said = json.loads(row["properties"]) if row["properties"] else {}
    if not isinstance(said, dict):
        return
    shown = {
        name: value
        for name, value in said.items()
        if name not in KNOWN_PROPERTIES and value not in (None, "", [], {})
    }
    for name in list(shown)[:SHOWN_PROPERTIES]:
        yield name, plain(shown[name])
    if len(shown) > SHOWN_PROPERTIES:
        yield "and", f"{len(shown) - SHOWN_PROPERTIES} more"


def _learnt(changes: list[Row]) -> Iterator[Moment]:
    """The changes of one record are one line."""
    by_record: dict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for change in changes:
        by_record[change["changed_at"], change["record_id"]].append(change)
    for (at, record), rows in by_record.items():
        yield Moment(
            at=at,
            kind="attribute",
            title="Learnt " + ", ".join(row["path"] for row in rows),
            facts=tuple((row["path"], change_text(row)) for row in rows),
            source=rows[0]["source_id"],
            record=str(record),
        )


def change_text(row: Row) -> str:
    old, new = value_text(row["old_value"]), value_text(row["new_value"])
    if row["old_value"] is None:
        return new
    return f"{old} → {new}" if row["new_value"] is not None else f"{old} removed"


def _merge(row: Row) -> Moment:
    before, after = row["previous_profile_id"], row["surviving_profile_id"]
    titles = {
        "first": "Seen for the first time",
        "promoted": "A visitor got a name",
        "merge": "Two profiles turned out to be one person",
        "split": "Parted from a profile that was somebody else",
    }
    facts = (
        [("profile", after)] if before == after else [("from", before), ("to", after)]
    )
    facts.append(("identifiers", str(row["identifier_count"])))
    return Moment(
        at=row["changed_at"],
        kind="identity",
        title=titles.get(row["reason"], str(row["reason"])),
        facts=tuple((label, str(value)) for label, value in facts),
        source="seen by the refresh",
        record=str(row["cause_record_id"] or ""),
    )


def _orders(person: Person) -> Iterator[Moment]:
    """Orders that no event of this person tells of, such as those of an extract."""
    told = {row["order_id"] for row in person.events if row["order_id"]}
    for row in person.orders:
        if row["order_id"] not in told:
            yield Moment(
                at=row["ordered_at"] or row["first_event_at"],
                kind="order",
                title=f"Order {row['order_id']}",
                facts=(
                    ("state", str(row["state"])),
                    ("revenue", money(row["revenue"], row["currency"])),
                ),
                source=str(row["source_id"]),
                record=str(row["state_record_id"] or ""),
            )


def _consent(row: Row) -> Moment:
    counts = (
        () if row["is_counted"] else (("counts", "no: nothing newer than a denial"),)
    )
    return Moment(
        at=row["occurred_at"],
        kind="consent",
        title=f"{row['purpose']} by {row['channel']}: {row['state']}",
        facts=(
            ("contact", row["contact_value"]),
            ("evidence", row["evidence"]),
            *counts,
        ),
        source=row["source_id"],
        record=str(row["record_id"]),
    )


def _stay(row: Row) -> Iterator[Moment]:
    entered = {"at": row["entered_at"], "verb": "Entered", "why": row["enter_reason"]}
    left = {"at": row["exited_at"], "verb": "Left", "why": row["exit_reason"]}
    for stay in (entered, left):
        if stay["at"] is not None:
            yield Moment(
                at=stay["at"],
                kind="audience",
                title=f"{stay['verb']} the audience {row['audience_name']}",
                facts=(("reason", str(stay["why"])),),
                source="seen by the refresh",
            )


def _delivery(row: Row) -> Moment:
    said = (("answer", row["detail"]),) if row["detail"] else ()
    return Moment(
        at=row["happened_at"],
        kind="delivery",
        title=f"{row['action']} sent to {row['sync_name']}",
        facts=(("outcome", row["outcome"] or "unknown"), *said),
        source=row["sync_name"],
        record=str(row["record_id"]),
    )


def money(amount: Decimal | None, currency: str | None) -> str:
    return "-" if amount is None else f"{amount:,.2f} {currency or 'XXX'}"


def value_text(value: str | None) -> str:
    """A value of the attribute fold, which is JSON text, as a person would write it."""
    return "-" if value is None else plain(json.loads(value))


def plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(v, dict | list) for v in value):
        return ", ".join(map(plain, value))
    return json.dumps(value, ensure_ascii=False)
