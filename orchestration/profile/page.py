"""One person as one HTML file: nothing is fetched, nothing runs, and every value is text, whatever it says.

The looks are style.css beside this file; what is shown is timeline.py's and reading.py's business.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from orchestration.identity.picture import component_svg, visible
from orchestration.profile.reading import Person, Row
from orchestration.profile.timeline import (
    KINDS,
    Moment,
    moments,
    money,
    plain,
    value_text,
)

STYLE = Path(__file__).with_name("style.css")
LETTERS = 300
# Nothing may be loaded and no script may run, even if a value were ever taken for markup.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
NOT_TRAITS = ("profile_id", "profile_kind", "name", "revenue_by_currency")

Cell = tuple[str, Callable[[Row], str]]


def page(person: Person) -> str:
    """The whole file."""
    told = moments(person)
    body = [
        _header(person),
        _tiles(person),
        "<main><section class='timeline'>",
        f"<h2>Timeline <small>{len(told):,} moments, the latest first</small></h2>",
        _filters(told),
        *_days(told),
        "</section><aside>",
        *_aside(person),
        "</aside></main>",
        f"<footer>{_t(person.profile_id)} · from the read copy · everything here is derived from landed records</footer>",
    ]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_t(_name(person))}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _t(value: object, letters: int = LETTERS) -> str:
    """Text, and nothing but text."""
    return escape(
        visible(value if isinstance(value, str) else plain(value), letters), quote=True
    )


def _time(moment: datetime | None, form: str = "%d %b %Y, %H:%M") -> str:
    return "-" if moment is None else f"{moment:{form}}"


def _name(person: Person) -> str:
    traits = person.traits
    known = (
        traits.get("name"),
        traits.get("email"),
        traits.get("user_id"),
        traits.get("phone"),
    )
    return str(next((each for each in known if each), "A visitor"))


def _header(person: Person) -> str:
    name = _name(person)
    kind = person.traits.get("profile_kind", "")
    initials = "".join(word[0] for word in name.split()[:2] if word).upper()
    chips = [
        f"<span class='chip'><b>{_t(each['type'], 30)}</b> {_t(each['value'], 40)}"
        f"{' · shared' if each['is_shared'] else ''}</span>"
        for each in person.identifiers[:12]
    ]
    if len(person.identifiers) > 12:
        chips.append(f"<span class='chip'>{len(person.identifiers) - 12} more</span>")
    return (
        f"<header><div class='portrait {_t(kind)}'>{_t(initials, 2)}</div><div><h1>{_t(name, 80)}"
        f" <span class='kind {_t(kind)}'>{_t(kind)}</span></h1>"
        f"<p class='id'>{_t(person.profile_id)}</p><p class='chips'>{''.join(chips)}</p></div></header>"
    )


def _tiles(person: Person) -> str:
    traits = person.traits
    spent = " · ".join(money(row["revenue"], row["currency"]) for row in person.revenue)
    tiles = [
        ("First seen", _time(traits.get("first_seen_at"), "%d %b %Y"), ""),
        (
            "Last seen",
            _time(traits.get("last_seen_at"), "%d %b %Y"),
            _days_ago(traits.get("days_since_last_seen")),
        ),
        (
            "Events",
            f"{traits.get('event_count') or 0:,}",
            f"{traits.get('event_count_30d') or 0:,} in 30 days",
        ),
        (
            "Sessions",
            f"{traits.get('session_count') or 0:,}",
            f"{traits.get('session_count_30d') or 0:,} in 30 days",
        ),
        ("Purchases", f"{traits.get('order_count') or 0:,}", spent),
        (
            "Segment",
            str(traits.get("rfm_segment") or "-").replace("_", " "),
            _risk(traits),
        ),
        ("Engagement", str(traits.get("engagement_score") or 0), "of 100"),
        ("Reachable by", _reach(traits), ""),
    ]
    cells = (
        f"<div class='tile'><span>{_t(label)}</span><strong>{_t(value)}</strong><small>{_t(note)}</small></div>"
        for label, value, note in tiles
    )
    return f"<section class='tiles'>{''.join(cells)}</section>"


def _days_ago(days: int | None) -> str:
    if days is None:
        return ""
    return "today" if days == 0 else "yesterday" if days == 1 else f"{days:,} days ago"


def _risk(traits: Row) -> str:
    return f"churn risk {traits['churn_risk']}" if traits.get("churn_risk") else ""


def _reach(traits: Row) -> str:
    ways = [way for way in ("email", "phone") if traits.get(f"reachable_by_{way}")]
    return ", ".join(ways) or "device only"


def _filters(told: Sequence[Moment]) -> str:
    """Boxes that hide a kind by CSS alone; only kinds that occur."""
    occurring = {moment.kind for moment in told}
    boxes = (
        f"<input type='checkbox' id='show-{kind}' checked><label for='show-{kind}' class='{kind}'>{label}</label>"
        for kind, label in KINDS.items()
        if kind in occurring
    )
    return f"<div class='filters'>{''.join(boxes)}</div>"


def _days(told: Sequence[Moment]) -> Iterator[str]:
    latest_first = sorted(told, key=lambda moment: moment.at, reverse=True)
    for day, of_day in groupby(latest_first, key=lambda moment: moment.at.date()):
        yield _day(day, list(of_day))


def _day(day: date, of_day: Sequence[Moment]) -> str:
    items = "".join(
        f"<div class='visit'>{''.join(map(_moment, group))}</div>"
        if session and len(group) > 1
        else "".join(map(_moment, group))
        for session, group in (
            (s, list(g)) for s, g in groupby(of_day, key=lambda m: m.session)
        )
    )
    return f"<article><h3>{day:%A, %d %B %Y}</h3>{items}</article>"


def _moment(moment: Moment) -> str:
    facts = "".join(
        f"<span class='fact'><i>{_t(label, 40)}</i> {_t(value, 120)}</span>"
        for label, value in moment.facts
    )
    sent = (
        f"<span class='sent'>sent as {_sent(moment.sent_at, moment.at)}</span>"
        if moment.sent_at
        else ""
    )
    return (
        f"<div class='moment {moment.kind}' title='record {_t(moment.record)}'>"
        f"<time>{_time(moment.at, '%H:%M:%S')}{sent}</time>"
        f"<div><p>{_t(moment.title, 140)}<small>{_t(moment.source, 40)}</small></p>"
        f"{facts and f'<div class=facts>{facts}</div>'}</div></div>"
    )


def _sent(sent: datetime, corrected: datetime) -> str:
    same_day = sent.date() == corrected.date()
    return _time(sent, "%H:%M:%S" if same_day else "%d %b, %H:%M:%S")


def _aside(person: Person) -> Iterator[str]:
    nodes, edges = person.graph
    svg = component_svg(nodes, edges, title=f"Identity of {_name(person)}")
    yield _card(
        "Identity",
        f"<div class='graph'>{svg}</div>{_evidence(person)}",
        len(person.identifiers),
    )
    yield _card(
        "How it came together", _table(person.merges, _MERGES), len(person.merges)
    )
    yield _card("Attributes", "".join(_attributes(person)), len(person.attributes))
    yield _card("Consent", _table(person.consents, _CONSENTS), len(person.consents))
    yield _card("Orders", _table(person.orders[::-1], _ORDERS), person.totals["orders"])
    yield _card(
        "Sessions", _table(person.sessions[::-1], _SESSIONS), person.totals["sessions"]
    )
    yield _card(
        "Audiences", _table(person.audiences[::-1], _AUDIENCES), len(person.audiences)
    )
    yield _card(
        "Deliveries",
        _table(person.deliveries[::-1], _DELIVERIES),
        person.totals["deliveries"],
    )
    yield _card("All traits", _traits(person.traits), None)


def _card(title: str, content: str, count: int | None) -> str:
    if count == 0:
        return (
            f"<section class='card empty'><h2>{title}</h2><p>Nothing yet.</p></section>"
        )
    shown = "" if count is None else f" <small>{count:,}</small>"
    return f"<section class='card'><h2>{title}{shown}</h2>{content}</section>"


def _evidence(person: Person) -> str:
    rows = "".join(
        f"<tr><td>{_t(str(link.a), 60)}<br>{_t(str(link.b), 60)}</td><td>{_t(link.rule)}</td>"
        f"<td>{_time(link.first.at) if link.first else '-'}<br>"
        f"<small>{_t(link.first.source_id) if link.first else ''}</small></td></tr>"
        for link in person.links
    )
    return (
        f"<details><summary>Evidence of each link</summary><table>{rows}</table></details>"
        if rows
        else ""
    )


def _attributes(person: Person) -> Iterator[str]:
    """Each attribute opens to its lineage."""
    lineage: dict[str, list[Row]] = {}
    for change in person.changes:
        lineage.setdefault(change["path"], []).append(change)
    for row in person.attributes:
        steps = "".join(
            f"<li><b>{_t(value_text(change['new_value']), 80)}</b>"
            f" <small>{_time(change['changed_at'])} · {_t(change['source_id'])} · record {_t(str(change['record_id']))}"
            f" · rule {_t(change['rule'])}</small></li>"
            for change in lineage.get(row["path"], [])
        )
        yield (
            f"<details class='attribute'><summary><span>{_t(row['path'], 60)}</span><b>{_t(row['value'] or '', 80)}</b>"
            f"<small>{_t(row['source_id'])}</small></summary><ol>{steps}</ol></details>"
        )


def _table(rows: Iterable[Row], cells: Sequence[Cell]) -> str:
    head = "".join(f"<th>{label}</th>" for label, _ in cells)
    body = "".join(
        "<tr>" + "".join(f"<td>{_t(show(row))}</td>" for _, show in cells) + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _traits(traits: Row) -> str:
    known = (
        f"<dt>{_t(name.replace('_', ' '))}</dt><dd>{_t(_trait(value))}</dd>"
        for name, value in traits.items()
        if value is not None and name not in NOT_TRAITS
    )
    return f"<dl>{''.join(known)}</dl>"


def _trait(value: Any) -> str:
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _moved(row: Row) -> str:
    before, after = row["previous_profile_id"] or "", row["surviving_profile_id"]
    return after[:12] if before == after else f"{before[:12]} → {after[:12]}"


_MERGES: Sequence[Cell] = (
    ("when", lambda row: _time(row["changed_at"])),
    ("what", lambda row: row["reason"]),
    ("profiles", _moved),
)
_CONSENTS: Sequence[Cell] = (
    ("purpose", lambda row: f"{row['purpose']} / {row['channel']}"),
    ("state", lambda row: row["state"]),
    ("contact", lambda row: row["contact_value"]),
    ("since", lambda row: f"{_time(row['since'])} · {row['evidence']}"),
)
_ORDERS: Sequence[Cell] = (
    ("when", lambda row: _time(row["ordered_at"] or row["first_event_at"])),
    ("order", lambda row: row["order_id"]),
    ("state", lambda row: row["state"]),
    ("revenue", lambda row: money(row["revenue"], row["currency"])),
)
_SESSIONS: Sequence[Cell] = (
    ("began", lambda row: _time(row["started_at"])),
    ("seconds", lambda row: f"{row['duration_seconds']:,}"),
    ("events", lambda row: f"{row['event_count']:,}"),
    (
        "from",
        lambda row: (
            row.get("channel") or row.get("utm_source") or row.get("referrer") or "-"
        ),
    ),
)
_AUDIENCES: Sequence[Cell] = (
    ("audience", lambda row: row["audience_name"]),
    ("entered", lambda row: f"{_time(row['entered_at'])} · {row['enter_reason']}"),
    (
        "left",
        lambda row: (
            f"{_time(row['exited_at'])} · {row['exit_reason']}"
            if row["exited_at"]
            else "is in it"
        ),
    ),
)
_DELIVERIES: Sequence[Cell] = (
    ("when", lambda row: _time(row["happened_at"])),
    ("sync", lambda row: row["sync_name"]),
    ("action", lambda row: row["action"]),
    ("outcome", lambda row: row["outcome"] or "unknown"),
)
