"""Why two identifiers are one person, or why not, as data and as lines for people.

The answer recombines from rows of the read copy: every step is a row of fct_identity_edges with the records that are
its evidence. Reading and searching the graph is graph.py's business.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import duckdb

from orchestration.identity.graph import (
    Evidence,
    Identifier,
    Link,
    around,
    identifiers_of,
    links_at,
    live_links,
    live_path,
    live_steps,
    path,
)
from orchestration.identity.picture import visible
from orchestration.identity.reasons import why_not

# So many refusals on either side of the way between two people are looked at. Two meet whoever shares anything with
# somebody who shares anything with them; farther away there is nothing to explain. Valid: 1 to 4.
REACH = 2
# Rows that a terminal is shown of one kind.
MOST_LINES = 100
MEANS = {
    "shared": "{weak} merges nobody: it was seen with several people",
    "edge": "the two of them stay apart",
    "separate": "{weak} keeps away from the profile of {strong}",
    "hub": "{weak} is blocked as a hub: too many people were seen with it",
    "never together": "a row of the seed never_together keeps them apart",
}


@dataclass(frozen=True)
class Step:
    """One link of a chain, in the direction of the chain."""

    start: Identifier
    end: Identifier
    link: Link


@dataclass
class Answer:
    """Why, or why not. `chain` leads from a to b: over live links alone when they are one person."""

    a: Identifier
    b: Identifier
    chain: list[Step] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    records: dict[str, str] = field(default_factory=dict)

    @property
    def is_one_person(self) -> bool:
        return bool(self.a.profile_id) and self.a.profile_id == self.b.profile_id

    @property
    def is_merged(self) -> bool:
        return (
            self.is_one_person and not self.a.is_shared and not self.b.is_shared
        ) or self.a.key == self.b.key

    def as_dict(self) -> dict[str, Any]:
        """For --json: everything that the lines say, values uncut."""
        return {
            "a": _plain(self.a),
            "b": _plain(self.b),
            "is_one_person": self.is_one_person,
            "is_merged": self.is_merged,
            "chain": [
                {
                    "from": _plain(step.start),
                    "to": _plain(step.end),
                    "is_live": step.link.is_live,
                    "origin": step.link.origin,
                    "demotion": step.link.demotion,
                    "rule": step.link.rule,
                    "first": self._record(step.link.first),
                    "last": self._record(step.link.last),
                }
                for step in self.chain
            ],
            "reasons": self.reasons,
        }

    def _record(self, evidence: Evidence | None) -> dict[str, Any] | None:
        if evidence is None:
            return None
        what = self.records.get(str(evidence.record_id))
        return {**asdict(evidence), "what": what}

    def lines(self) -> Iterator[str]:
        """For a terminal. Values are cut and cleaned of what could steer it."""
        yield self._verdict()
        if self.chain:
            yield ""
            yield f"  {self.a}"
        for step in self.chain:
            yield f"  {'│' if step.link.is_live else '┆'}  {_rule(step.link)}"
            for word, evidence in _told(step.link):
                what = self.records.get(str(evidence.record_id), "")
                yield (
                    f"  {'│' if step.link.is_live else '┆'}  {word} {evidence.at:%Y-%m-%d %H:%M:%S}"
                    f" {visible(evidence.source_id, 40)} record {evidence.record_id} {what}".rstrip()
                )
            yield f"  {step.end}"
        if self.reasons:
            yield ""
        yield from (f"  {reason}" for reason in self.reasons)

    def _verdict(self) -> str:
        if self.a.key == self.b.key:
            return f"{self.a} is one identifier, of {_whose(self.a)}."
        if self.is_merged:
            return f"{self.a} and {self.b} are one person: {self.a.profile_id}"
        if self.is_one_person:
            return (
                f"{self.a} and {self.b} are not merged, but both are at home in {self.a.profile_id}: "
                "a shared identifier belongs to the profile of its earliest evidence."
            )
        return f"{self.a} and {self.b} are not one person: {_whose(self.a)} and {_whose(self.b)}."


def explain(
    connection: duckdb.DuckDBPyConnection, a: Identifier, b: Identifier
) -> Answer:
    """Why the two are one person, or why not."""
    answer = Answer(a, b)
    if a.key == b.key:
        return answer
    if answer.is_merged and a.profile_id:
        way = live_path(connection, a.profile_id, a.key, b.key)
        answer.chain = list(_steps(way, a))
    else:
        links, way = _nearest(connection, a, b)
        answer.chain = list(_steps(way, a))
        answer.reasons = list(dict.fromkeys(why_not(connection, a, b, way, links)))
    answer.records = _what_records_are(connection, answer.chain)
    return answer


def _nearest(
    connection: duckdb.DuckDBPyConnection, a: Identifier, b: Identifier
) -> tuple[list[Link], list[Link]]:
    """What lies around the two, and the nearest approach in it; looking farther only when nothing is near."""
    for reach in range(1, REACH + 1):
        around_both = [*around(connection, a, reach), *around(connection, b, reach)]
        links = list(dict.fromkeys(around_both))
        if way := path(links, a.key, b.key):
            return links, way
    return links, []


@dataclass(frozen=True)
class Profile:
    """One profile as the graph has it: how each identifier came to it, and what it was kept apart from."""

    asked: Identifier
    members: list[Identifier]
    came: dict[int, Link]
    refused: list[Link]

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile_id": self.asked.profile_id,
            "identifiers": [
                {**_plain(each), "by": by and _plain(by)}
                for each in self.members
                for by in [self._by(each)]
            ],
            "kept_apart": [
                {"a": _plain(link.a), "b": _plain(link.b), "rule": link.rule}
                for link in self.refused
            ],
        }

    def lines(self) -> Iterator[str]:
        if self.asked.profile_id is None:
            yield f"{self.asked} is blocked as a hub: too many people were seen with it."
            return
        yield f"{self.asked} belongs to {self.asked.profile_id}:"
        for each in self.members[:MOST_LINES]:
            yield f"  {each}{self._came(each)}"
        yield from _and_more(self.members)
        if self.refused:
            yield "kept apart:"
        for link in self.refused[:MOST_LINES]:
            yield f"  {link.a} ┆ {link.b}: {_rule(link)}"
        yield from _and_more(self.refused)

    def _by(self, identifier: Identifier) -> Identifier | None:
        link = self.came.get(identifier.key)
        return link.other(identifier.key) if link else None

    def _came(self, identifier: Identifier) -> str:
        if identifier.is_shared:
            return "  (shared: merges nobody, at home here)"
        by = self._by(identifier)
        if by is None:
            return "  (gives the profile its id)"
        return f"  by {by}{_shortly(self.came[identifier.key])}"


def explain_profile(
    connection: duckdb.DuckDBPyConnection, asked: Identifier
) -> Profile:
    """The profile of an identifier: every identifier with the last link of its chain from the representative."""
    if asked.profile_id is None:
        return Profile(asked, [], {}, links_at(connection, [asked.key]))
    members = identifiers_of(connection, [asked.profile_id])
    before = live_steps(connection, asked.profile_id, members[0].key)
    pairs = {key: (min(key, by), max(key, by)) for key, by in before.items()}
    links = live_links(connection, asked.profile_id, pairs.values())
    met = links_at(connection, [each.key for each in members])
    return Profile(
        asked,
        members,
        {key: links[pair] for key, pair in pairs.items()},
        [link for link in met if not link.is_live],
    )


def _and_more(listed: Sequence[object]) -> Iterator[str]:
    if len(listed) > MOST_LINES:
        yield f"  … and {len(listed) - MOST_LINES:,} more (--json has all)"


def _steps(links: Sequence[Link], start: Identifier) -> Iterator[Step]:
    ends = [start]
    for link in links:
        ends.append(link.other(ends[-1].key))
    for (a, b), link in zip(pairwise(ends), links, strict=True):
        yield Step(a, b, link)


def _what_records_are(
    connection: duckdb.DuckDBPyConnection, chain: Iterable[Step]
) -> dict[str, str]:
    """Record → what it was: an event's type and name, or an extract's row."""
    ids = {
        evidence.record_id
        for step in chain
        for evidence in (step.link.first, step.link.last)
        if evidence
    }
    rows = connection.execute(
        """
        with asked as (select unnest(?::uuid[]) as record_id)
        select record_id, event_type || coalesce(' ' || event_name, '')
        from staging.fct_events join asked using (record_id)
        union all
        select record_id, 'row ' || row_key from staging.stg_landing__profiles join asked using (record_id)
        union all
        select record_id, 'row ' || row_key from staging.stg_landing__records join asked using (record_id)
        """,
        [sorted(str(each) for each in ids)],
    ).fetchall()
    return {str(record_id): visible(what, 80) for record_id, what in rows}


def _told(link: Link) -> Iterator[tuple[str, Evidence]]:
    if link.first:
        yield "first", link.first
    if link.last and link.last != link.first:
        yield "last ", link.last


def _rule(link: Link) -> str:
    if link.is_live:
        return (
            "always together (declared by a person)"
            if link.origin == "always together"
            else "named by one record"
        )
    weak, strong = (link.b, link.a) if link.b.is_shared else (link.a, link.b)
    if link.demotion == "hub" and link.b.profile_id is None:
        weak, strong = link.b, link.a
    said = MEANS[link.demotion or ""].format(weak=weak, strong=strong)
    return f"{said} (rule: {link.rule})"


def _shortly(link: Link) -> str:
    if not link.first:
        return ", declared by a person"
    return f", {visible(link.first.source_id, 40)} {link.first.at:%Y-%m-%d %H:%M}"


def _whose(identifier: Identifier) -> str:
    return identifier.profile_id or "nobody (a hub)"


def _plain(identifier: Identifier) -> dict[str, Any]:
    return {
        "type": identifier.kind,
        "value": identifier.value,
        "profile_id": identifier.profile_id,
        "is_shared": identifier.is_shared,
    }
