"""Who enters a journey, decided one candidate after the other in plain Python: the rules of journeys, told a second time.

Shares nothing with the models but the declared journeys. Names are profiles; `canonical` says who they are today.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orchestration.journeys.declarations import Journey

WAITING = ("unresolved_identity", "held_quiet_hours", "held_pacing")


@dataclass
class Candidate:
    """Somebody who asks. `person` is None while nobody knows who it is; `asks` ends with its reason."""

    journey: str
    key: str
    person: str | None
    instance: str
    at: datetime
    asks: bool = True


@dataclass
class Entry:
    candidate: Candidate
    person: str
    contact: str
    at: datetime


@dataclass
class World:
    """Everything that is true at the moment of deciding."""

    candidates: list[Candidate] = field(default_factory=list)
    canonical: dict[str, str] = field(default_factory=dict)
    emails: dict[str, str | None] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    happened: list[tuple[str, str, datetime]] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)


class Judge:
    """Remembers what it decided, and what arrived."""

    def __init__(self, journeys: Iterable[Journey]) -> None:
        self.journeys = {journey.name: journey for journey in journeys}
        self.outcomes: dict[tuple[str, str], str] = {}
        self.arrived: set[tuple[str, str]] = set()
        self.entries: list[Entry] = []
        self.met: list[tuple[str, str]] = []

    def decide(self, world: World, now: datetime) -> dict[tuple[str, str], str]:
        """What is newly decided."""
        news: dict[tuple[str, str], str] = {}
        ready: list[Candidate] = []
        for each in sorted(world.candidates, key=lambda c: (c.at, f"cart:{c.key}")):
            if not self._is_settled(each):
                outcome = self._judged(each, world, now)
                if outcome == "ready":
                    ready.append(each)
                else:
                    news[each.journey, each.key] = outcome
        news |= self._through_the_door(ready, world, now)
        changed = {k: o for k, o in news.items() if self.outcomes.get(k) != o}
        self._remember(changed, world, now)
        return changed

    def _is_settled(self, candidate: Candidate) -> bool:
        key = (candidate.journey, candidate.key)
        outcome = self.outcomes.get(key)
        if outcome == "entered":
            return key in self.arrived
        return outcome is not None and outcome not in WAITING

    def _judged(self, candidate: Candidate, world: World, now: datetime) -> str:
        journey = self.journeys[candidate.journey]
        has_entered = self.outcomes.get((candidate.journey, candidate.key)) == "entered"
        person = self._who(candidate, world)
        contact = world.emails.get(person) if person else None
        if has_entered:
            contact = self._entry_of(candidate).contact
        if now - candidate.at >= timedelta(minutes=journey.max_age):
            return "expired"
        if person is None:
            return "unresolved_identity"
        checks: list[tuple[str, Callable[[], bool]]] = [
            ("erased", lambda: person in world.erased),
            (
                "exited_before_release",
                lambda: (
                    not candidate.asks
                    or self._ended(journey, person, candidate.at, world, now)
                ),
            ),
            ("suppressed", lambda: self._is_in(journey.suppress, person, world)),
            ("no_identifier", lambda: contact is None),
            ("no_consent", lambda: self._may_not(journey, contact, world)),
            ("excluded", lambda: self._is_in(journey.exclude, person, world)),
        ]
        if not has_entered:
            checks += [
                ("holdout", lambda: self._is_held_out(journey, person, world)),
                (
                    "reentry_blocked",
                    lambda: self._is_blocked(candidate, person, world, now),
                ),
                (
                    "duplicate_recipient",
                    lambda: any(
                        (e.candidate.journey, e.contact, e.candidate.instance)
                        == (candidate.journey, contact, candidate.instance)
                        for e in self.entries
                        if e.at < now
                    ),
                ),
                ("capped", lambda: self._is_capped(journey, contact, now)),
                (
                    "held_quiet_hours",
                    lambda: self._is_quiet(journey, person, world, now),
                ),
            ]
        failed = next((name for name, fails in checks if fails()), None)
        return failed or ("entered" if has_entered else "ready")

    def _through_the_door(
        self, ready: list[Candidate], world: World, now: datetime
    ) -> dict[tuple[str, str], str]:
        """One after the other; whoever stands behind somebody they might depend on waits."""
        before = [e for e in self.entries if e.at >= now]
        ahead = [(e.candidate, world.canonical[e.person], e.contact) for e in before]
        let_in: dict[str, int] = {}
        outcomes = {}
        for each in ready:
            journey = self.journeys[each.journey]
            person = self._who(each, world)
            contact = world.emails[person or ""]
            is_behind = any(
                self._depends(each, person, contact, *other) for other in ahead
            )
            lately = sum(
                e.candidate.journey == journey.name and now - e.at < timedelta(hours=1)
                for e in self.entries
            )
            count = lately + let_in.get(journey.name, 0)
            has_room = journey.per_hour is None or count < journey.per_hour
            if not is_behind and has_room:
                let_in[journey.name] = let_in.get(journey.name, 0) + 1
            outcome = "entered" if not is_behind and has_room else "held_pacing"
            outcomes[each.journey, each.key] = outcome
            ahead.append((each, person or "", contact or ""))
        return outcomes

    def _depends(
        self,
        each: Candidate,
        person: str | None,
        contact: str | None,
        other: Candidate,
        other_person: str,
        other_contact: str,
    ) -> bool:
        journey = self.journeys[each.journey]
        same_journey = each.journey == other.journey
        same_occasion = same_journey and each.instance == other.instance
        return (
            (same_occasion and person == other_person)
            or (same_occasion and contact == other_contact)
            or (
                same_journey
                and person == other_person
                and journey.reentry.policy != "always"
            )
            or (contact == other_contact and _has_caps(journey))
        )

    def _remember(
        self, news: dict[tuple[str, str], str], world: World, now: datetime
    ) -> None:
        by_key = {(c.journey, c.key): c for c in world.candidates}
        for key in sorted(news):
            candidate, person = by_key[key], self._who(by_key[key], world)
            if person:
                self.met.append((key[0], person))
            if news[key] == "entered":
                contact = world.emails[person or ""] or ""
                self.entries.append(Entry(candidate, person or "", contact, now))
        self.outcomes |= news

    def merged(self, old: str, new: str) -> None:
        """Two turn out to be one."""
        for entry in self.entries:
            if entry.person == old:
                entry.person = new

    def _who(self, candidate: Candidate, world: World) -> str | None:
        return world.canonical[candidate.person] if candidate.person else None

    def _entry_of(self, candidate: Candidate) -> Entry:
        key = (candidate.journey, candidate.key)
        return next(
            e for e in self.entries if (e.candidate.journey, e.candidate.key) == key
        )

    def _ended(
        self,
        journey: Journey,
        person: str,
        since: datetime,
        world: World,
        now: datetime,
    ) -> bool:
        return any(
            world.canonical[who] == person
            and what in journey.exits.events
            and since < when <= now
            for who, what, when in world.happened
        )

    def _is_in(self, audiences: tuple[str, ...], person: str, world: World) -> bool:
        return any((audience, person) in world.members for audience in audiences)

    def _may_not(self, journey: Journey, contact: str | None, world: World) -> bool:
        return (
            journey.purpose == "marketing"
            and world.consents.get(contact or "") != "granted"
        )

    def _is_held_out(self, journey: Journey, person: str, world: World) -> bool:
        """By the name under which the journey met the person first."""
        names = (n for j, n in self.met if j == journey.name)
        first = next((n for n in names if world.canonical[n] == person), person)
        digest = hashlib.sha256(f"{journey.name}|{first}".encode()).hexdigest()
        return int(digest[:8], 16) % 10_000 < journey.holdout_percent * 100

    def _is_blocked(
        self, candidate: Candidate, person: str, world: World, now: datetime
    ) -> bool:
        journey = self.journeys[candidate.journey]
        mine = [
            e
            for e in self.entries
            if e.candidate.journey == journey.name and e.person == person and e.at < now
        ]
        if any(e.candidate.instance == candidate.instance for e in mine):
            return True
        stayed = [e for e in mine if self._has_stayed(e)]
        policy = journey.reentry.policy
        if not stayed or policy == "always":
            return False
        last = max(e.at for e in stayed)
        if policy == "after_days":
            return now - last < timedelta(minutes=journey.reentry.minutes or 0)
        if policy == "after_exit":
            is_over = now - last >= timedelta(minutes=journey.exits.after)
            return not is_over and not self._ended(journey, person, last, world, now)
        return True

    def _is_capped(self, journey: Journey, contact: str | None, now: datetime) -> bool:
        caps = {1: journey.caps.day, 7: journey.caps.week, 30: journey.caps.month}
        return any(
            cap is not None
            and sum(
                e.contact == contact
                and self._has_stayed(e)
                and e.at < now
                and now - e.at < timedelta(days=days)
                for e in self.entries
            )
            >= cap
            for days, cap in caps.items()
        )

    def _has_stayed(self, entry: Entry) -> bool:
        return self.outcomes[entry.candidate.journey, entry.candidate.key] == "entered"

    def _is_quiet(
        self, journey: Journey, person: str, world: World, now: datetime
    ) -> bool:
        quiet = journey.quiet_hours
        if quiet is None:
            return False
        zone = ZoneInfo(world.zones.get(person, quiet.time_zone.default))
        local = now.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone)
        minute = local.hour * 60 + local.minute
        if quiet.start < quiet.until:
            return quiet.start <= minute < quiet.until
        return minute >= quiet.start or minute < quiet.until


def _has_caps(journey: Journey) -> bool:
    return journey.caps != type(journey.caps)()
