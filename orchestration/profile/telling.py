"""One person as lines for a terminal. Values are shown on one line, without anything that could steer the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from orchestration.identity.explain import Profile
from orchestration.identity.picture import visible
from orchestration.profile.reading import Person, Row
from orchestration.profile.timeline import Moment, moments, money, plain

WIDTH = 96


def lines(person: Person, identity: Profile, most: int) -> Iterator[str]:
    """The sections that have something in them; of the timeline the latest `most` lines."""
    traits = person.traits
    name = (
        traits.get("name")
        or traits.get("email")
        or traits.get("user_id")
        or "Nobody known by name"
    )
    yield f"{_shown(name)}  ·  {traits.get('profile_kind', '')}  ·  {person.profile_id}"
    yield from _section("Traits", _pairs(traits))
    yield from _section(
        "Identity: who this is, and by what", list(identity.lines())[1:]
    )
    yield from _section("Evidence", _evidence(person))
    yield from _section("How it came together", _merges(person.merges))
    yield from _section("Attributes, and who said so", _attributes(person.attributes))
    yield from _section("Sessions", _sessions(person), person.totals["sessions"])
    yield from _section("Orders", _orders(person), person.totals["orders"])
    yield from _section("Consent", _consents(person.consents))
    yield from _section("Audiences", _audiences(person.audiences))
    yield from _section("Deliveries", _deliveries(person), person.totals["deliveries"])
    told = moments(person)
    yield from _section("Timeline", map(_moment, told[-most:]), len(told))


def _section(
    title: str, said: Iterable[str], total: int | None = None
) -> Iterator[str]:
    shown = [line.rstrip() for line in said]
    if not shown:
        return
    yield ""
    more = (
        f" (the latest {len(shown)} of {total:,})"
        if total and total > len(shown)
        else ""
    )
    yield f"{title}{more}"
    for line in shown:
        yield line if line.startswith("  ") else f"  {line}"


def _pairs(traits: Row) -> Iterator[str]:
    """Two traits a line; what is not known is not listed."""
    known = [
        f"{name}: {_shown(_value(value), 40)}"
        for name, value in traits.items()
        if value is not None
        and name not in ("profile_id", "profile_kind", "revenue_by_currency")
    ]
    half = (len(known) + 1) // 2
    for n in range(half):
        right = known[half + n] if half + n < len(known) else ""
        yield f"{known[n]:<46}{right}"


def _evidence(person: Person) -> Iterator[str]:
    for link in person.links:
        seen = link.first
        when = (
            f"{_time(seen.at)} by {_shown(seen.source_id)}, record {seen.record_id}"
            if seen
            else link.origin
        )
        yield f"{link.a} + {link.b}: {when}"


def _merges(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        moved = (
            row["surviving_profile_id"]
            if row["previous_profile_id"] == row["surviving_profile_id"]
            else f"{row['previous_profile_id']} → {row['surviving_profile_id']}"
        )
        cause = f", record {row['cause_record_id']}" if row["cause_record_id"] else ""
        yield f"{_time(row['changed_at'])}  {row['reason']:<9} {moved}{cause}"


def _attributes(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        times = f", {row['changes']} changes" if row["changes"] > 1 else ""
        yield (
            f"{_shown(row['path'], 28):<28}  {_shown(row['value'], 30):<30}  since {_time(row['changed_at'])}"
            f" by {_shown(row['source_id'])}, rule {row['rule']}{times}"
        )


def _sessions(person: Person) -> Iterator[str]:
    for row in person.sessions[-10:]:
        place = row.get("entry_path") or row.get("entry_url") or ""
        bought = ", bought" if row.get("has_purchase") else ""
        yield (
            f"{_time(row['started_at'])}  {row['event_count']} events in {row['duration_seconds']} s"
            f" from {_shown(place, 40) or 'nowhere known'}{bought}"
        )


def _orders(person: Person) -> Iterator[str]:
    for row in person.orders[-10:]:
        when = _time(row["ordered_at"] or row["first_event_at"])
        yield (
            f"{when}  {_shown(row['order_id'], 24):<24} {row['state']:<18}"
            f" {money(row['revenue'], row['currency'])}"
        )
    for row in person.revenue:
        spent = money(row["revenue"], row["currency"])
        yield f"in all  {row['order_count']} orders in {row['currency']}: {spent}"


def _consents(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield (
            f"{row['purpose']}/{row['channel']}: {row['state']} for {_shown(row['contact_value'], 40)}"
            f" since {_time(row['since'])} ({row['evidence']} of {_shown(row['source_id'])})"
        )


def _audiences(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        left = (
            f", left {_time(row['exited_at'])} ({row['exit_reason']})"
            if row["exited_at"]
            else ", is in it"
        )
        yield f"{row['audience_name']}: entered {_time(row['entered_at'])} ({row['enter_reason']}){left}"


def _deliveries(person: Person) -> Iterator[str]:
    for row in person.deliveries[-10:]:
        yield f"{_time(row['happened_at'])}  {row['sync_name']}: {row['action']}, {row['outcome'] or 'unknown'}"


def _moment(moment: Moment) -> str:
    facts = " · ".join(f"{label} {value}" for label, value in moment.facts)
    sent = f" (sent as {_time(moment.sent_at)})" if moment.sent_at else ""
    said = _shown(f"{moment.title}{' · ' if facts else ''}{facts}", WIDTH)
    return f"{_time(moment.at)}{sent}  {moment.kind:<9} {said}  [{_shown(moment.source, 20)}]"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _value(value: Any) -> str:
    return (
        _time(value)
        if isinstance(value, datetime)
        else value
        if isinstance(value, str)
        else str(value)
    )


def _shown(value: object, letters: int = 60) -> str:
    return visible(value if isinstance(value, str) else plain(value), letters)
