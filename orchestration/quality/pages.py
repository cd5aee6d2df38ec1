"""Three pages as HTML files: the source catalogue, data quality, the event log. Nothing is fetched, nothing runs.

What they show is reading.py's and event_log's business; every value is text, whatever it says.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from orchestration.event_log.reading import Entry
from orchestration.identity.picture import visible
from orchestration.quality.findings import NEWS, Finding
from orchestration.quality.reading import Row, SourceLine

STYLE = Path(__file__).with_name("style.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
PAGES = {
    "sources.html": "Sources",
    "quality.html": "Data quality",
    "events.html": "Event log",
}
KINDS = (("accepted", "#4c7dd0"), ("duplicate", "#d08a2e"), ("rejected", "#c2453a"))
MEASURES = ("duplicates", "rejects", "early", "delayed", "nameless")
WIDTH, HEIGHT = 280, 90


def sources_page(lines: Sequence[SourceLine]) -> str:
    body = _table(
        (
            "source",
            "~what it is",
            "owner",
            "contract",
            "fresh",
            *map("#{}".format, ("received", "last 7 days", "rejected", "last seen")),
        ),
        ([_source_cells(line) for line in lines]),
    )
    return _page(
        "Sources",
        "Every source that is declared, or that sent something. A source's file in sources/ says what it is.",
        body,
    )


def _source_cells(line: SourceLine) -> list[str]:
    seen = f"{line.last_seen:%Y-%m-%d %H:%M}" if line.last_seen else "never"
    return [
        f"<b>{_t(line.source_id)}</b><small>{_t(line.kind)}</small>",
        _t(line.description),
        _t(line.owner),
        f"<code>{_t(line.contracts)}</code>",
        _t(line.freshness),
        f"{line.received:,}",
        f"{line.last_week:,}",
        f"{line.rejected:,}<small>{line.reject_percent:.1f} %</small>",
        f"<span class='{'good' if line.last_seen else 'bad'}'>{seen}</span>",
    ]


def quality_page(
    findings: Sequence[Finding],
    volumes: dict[str, list[Row]],
    happened: dict[str, list[Row]],
    rates: Sequence[Row],
    coverage: Sequence[Row],
    counts: Sequence[tuple[str, str, int]],
    funnel: Sequence[Row],
) -> str:
    body = [
        *_findings(findings),
        "<h2>What arrived, per day</h2><p class='key'>",
        *(f"<i style='background:{colour}'></i>{name}" for name, colour in KINDS),
        "</p><div class='pictures'>",
        *(_columns(source, days) for source, days in volumes.items()),
        "</div><h2>When it happened</h2><div class='pictures'>",
        *(_columns(source, days) for source, days in happened.items()),
        "</div><h2>Shares of each source's last day, beside the two weeks before</h2>",
        _table(
            ("source", "day", *(f"#{measure}" for measure in MEASURES)),
            _rate_rows(rates),
        ),
        "<h2>Triggers against entries</h2>",
        _table(
            (
                "trigger or audience",
                "journey",
                *map(
                    "#{}".format,
                    ("emitted", "resolved", "eligible", "entered", "delivered"),
                ),
                "last",
            ),
            [[_t(value) for value in row.values()] for row in funnel],
        ),
        "<h2>What does not add up</h2>",
        _table(
            ("table", "its rows", "#rows"),
            [
                [f"<code>observability.{_t(table)}</code>", _t(meaning), f"{count:,}"]
                for table, meaning, count in counts
            ],
        ),
        "<h2>Properties of the last week, beside the week before</h2>",
        _table(
            ("source", "event", "property", "type", "#last week", "#week before"),
            [_coverage_cells(row) for row in coverage],
        ),
    ]
    return _page(
        "Data quality",
        "What is not as it was comes first. How it is judged: the models obs_*, and the vars beside them in dbt_project.yml.",
        "\n".join(body),
    )


def events_page(entries: Sequence[Entry]) -> str:
    body = _table(
        ("when", "source", "shape", "~name", "~result", "~canonical form"),
        [_entry_cells(entry) for entry in reversed(entries)],
    )
    return _page(
        "Event log",
        f"The last {len(entries):,} calls. Any other: python -m orchestration.event_log find &lt;text&gt;",
        body,
    )


def _entry_cells(entry: Entry) -> list[str]:
    is_good = entry.result in ("accepted", "landed")
    form = "<br>".join(
        f"<code>{_t(name)} {_t(value if isinstance(value, str) else json.dumps(value))}</code>"
        for name, value in entry.canonical.items()
        if name != "context"
    )
    return [
        f"{entry.received_at:%Y-%m-%d %H:%M:%S}",
        _t(entry.source_id),
        _t(entry.shape),
        f"{_t(entry.name)}<small>{_t(entry.event_id)}</small>",
        f"<span class='{'good' if is_good else 'bad'}'>{entry.result}</span><small>{_t(entry.reason)}</small>",
        form,
    ]


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "<div class='note'><b>Everything is as it was.</b></div>"
    for each in findings:
        tone = "" if each.finding in NEWS else " bad"
        yield (
            f"<div class='note{tone}'><b>{_t(each.source_id)}: {_t(each.finding.replace('_', ' '))} · {_t(each.place)}</b>"
            f"{_t(each.observed)}, expected: {_t(each.expected)} · {each.found_date}<br><span>{_t(each.remedy)}</span></div>"
        )


def _columns(source: str, days: Sequence[Row]) -> str:
    """A column per day, stacked, as tall as the day with most."""
    top = max(sum(int(day.get(kind, 0)) for kind, _ in KINDS) for day in days) or 1
    step = WIDTH / max(7, len(days))
    drawn = []
    for place, day in enumerate(days):
        below = float(HEIGHT)
        for kind, colour in KINDS:
            count = int(day.get(kind, 0))
            height = HEIGHT * count / top
            below -= height
            drawn.append(
                f"<rect x='{place * step:.1f}' y='{below:.1f}' width='{step * 0.8:.1f}' height='{height:.1f}' fill='{colour}'>"
                f"<title>{day['received_date']}: {count:,} {kind}</title></rect>"
            )
    return (
        f"<figure><figcaption>{_t(source)} <small>{days[0]['received_date']} to {days[-1]['received_date']}, "
        f"at most {top:,} a day</small></figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' preserveAspectRatio='none'>{''.join(drawn)}</svg></figure>"
    )


def _rate_rows(rates: Sequence[Row]) -> Iterator[list[str]]:
    """A row per source, a cell per measure."""
    for source, rows in groupby(rates, key=lambda row: row["source_id"]):
        found = {row["measure"]: row for row in rows}
        day = found[MEASURES[0]]["counted_date"]
        yield [_t(source), _t(day), *(_rate(found[name]) for name in MEASURES)]


def _rate(row: Row) -> str:
    tone = "bad" if row["is_breached"] else ""
    return (
        f"<span class='{tone}'>{_percent(row['percentage'])}</span>"
        f"<small>before: {_percent(row['past_percentage'])}</small>"
    )


def _coverage_cells(row: Row) -> list[str]:
    now = row["percent"]
    heat = f"background: rgba(76, 125, 208, {(now or 0) / 250:.2f})"
    return [
        _t(row["source_id"]),
        _t(row["event_name"]),
        _t(row["property"]),
        _t(row["types"]),
        f"<span style='{heat}; padding: 2px 8px; border-radius: 6px'>{_percent(now)}</span>",
        _percent(row["percent_before"]),
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Headings that begin with # are of numbers, those with ~ of texts that may be long."""
    kinds = {"#": "n", "~": "long"}
    marks = [kinds.get(name[:1], "") for name in header]
    head = "".join(
        f"<th class='{mark}'>{_t(name.lstrip('#~'))}</th>"
        for name, mark in zip(header, marks, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td class='{m}'>{cell}</td>" for cell, m in zip(row, marks, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _page(title: str, about: str, body: str) -> str:
    links = "".join(f"<a href='{file}'>{name}</a>" for file, name in PAGES.items())
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f"<nav>{links}</nav><h1>{title}</h1><p>{about}</p>{body}</body></html>\n"
    )


def _t(value: object, letters: int = 300) -> str:
    """Text, and nothing but text."""
    return escape(
        visible("-" if value is None else str(value).strip(), letters), quote=True
    )
