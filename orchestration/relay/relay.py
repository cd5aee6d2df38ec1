"""The loop's body: hear what is new, decide about whom nothing is in doubt, land it, deliver it.

How often it is called, and by whom, is orchestration/realtime.py.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ingestion.contracts import JourneyDecision
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange, Destination
from orchestration.destinations.delivery import SyncBusy, deliver
from orchestration.destinations.register import DestinationsInvalid, load_destinations
from orchestration.destinations.summary import DeliverySummary
from orchestration.journeys import journey_syncs
from orchestration.journeys.deciding import deciding
from orchestration.relay.copy import Copy, mark_of
from orchestration.relay.news import News
from orchestration.relay.people import People
from orchestration.relay.tail import Tail

STREAMS = (
    "privacy_requests",
    "profiles",
    "records",
    "events",
    "deliveries",
    "journey_decisions",
)
# Whoever waits for the morning, or for their turn, is looked at again so often. Valid: 1 and up.
LOOK_AGAIN_SECONDS = 15.0
WAITING = "('unresolved_identity', 'held_quiet_hours', 'held_pacing')"

Now = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass
class Looked:
    """What one look decided and delivered."""

    outcomes: list[tuple[str, str]] = field(default_factory=list)
    deliveries: list[DeliverySummary] = field(default_factory=list)


class Relay:
    """The relay of one home. Call `step` again and again, from one thread at a time."""

    def __init__(self, settings: Settings, now: Now = utc_now) -> None:
        self._settings, self._now = settings, now
        self._tails = {stream: Tail(settings.landing, stream) for stream in STREAMS}
        self._syncs = {sync.sync_name: sync for sync in journey_syncs(settings)}
        self._writer: LandingWriter | None = None
        self._copy: Copy | None = None
        self._look_at = 0.0

    def close(self) -> None:
        if self._copy:
            self._copy.close()
        if self._writer:
            self._writer.close()
        self._copy = self._writer = None

    def step(self) -> Looked | None:
        """Whatever is to do now; None when there was nothing."""
        published = self._settings.published
        if not published.exists():
            return None
        if self._copy is None or self._copy.mark != mark_of(published):
            return self._begin()
        heard = self._hear()
        if heard or time.monotonic() >= self._look_at:
            return self._look(is_first=False)
        return None

    def _begin(self) -> Looked | None:
        """A new copy: what it has seen is forgotten, what it has not is heard again."""
        copy = Copy(self._settings.published)
        self._people = People(copy)
        self._news = News(copy.meanings())
        self._done: set[str] = set()
        for stream, tail in self._tails.items():
            for row in tail.begin(copy.loaded(stream)):
                self._news.hear(stream, row)
        if self._copy:
            self._copy.close()
        self._copy = copy
        return self._look(is_first=True)

    def _hear(self) -> bool:
        """Whether a trigger came."""
        before = len(self._news.triggers)
        for stream, tail in self._tails.items():
            for row in tail.more():
                self._news.hear(stream, row)
        return len(self._news.triggers) > before

    def _look(self, is_first: bool) -> Looked | None:
        copy = self._copy
        assert copy is not None
        looked = Looked()
        with deciding(self._settings.landing):
            self._hear()
            emissions = {e["emission_id"]: e for e in self._waiting(copy)}
            fresh = [t for t in self._news.triggers if _id_of(t) not in self._done]
            emissions |= {e["emission_id"]: e for e in self._people.of(fresh)}
            sure = self._people.beyond_doubt(
                (e["profile_id"] for e in emissions.values()), self._news
            )
            mine = {k: e for k, e in emissions.items() if e["profile_id"] in sure}
            # Whom the copy cannot answer for now, it can never; the next copy will.
            self._done |= {_id_of(each) for each in fresh} - set(mine)
            if mine:
                decided = self._decide(copy, mine)
                looked.outcomes = [(d.journey, d.outcome) for d in decided]
        self._look_at = time.monotonic() + (LOOK_AGAIN_SECONDS if mine else 3600.0)
        if mine:
            entered = {d.candidate_id for d in decided if d.outcome == "entered"}
            looked.deliveries = self._deliver(copy, set(mine) if is_first else entered)
        return looked if looked.outcomes or looked.deliveries else None

    def _waiting(self, copy: Copy) -> list[dict[str, Any]]:
        """Triggers of the copy whose story is not over: waiting, or entered and not known to have arrived."""
        columns = (
            "emission_id",
            "trigger_name",
            "trigger_key",
            "origin",
            "profile_id",
            "is_resolved",
            "emitted_at",
            "properties",
        )
        rows = copy.ask(
            f"select distinct {', '.join('emissions.' + c for c in columns)} from journeys.fct_trigger_emissions as emissions"
            " inner join journeys.fct_journey_decisions as decisions on emissions.emission_id = decisions.candidate_id"
            " left join journeys.int_journey_candidates as candidates using (journey, candidate_id)"
            f" where emissions.origin = 'sent' and emissions.is_resolved and decisions.is_latest and (decisions.outcome in {WAITING}"
            " or (decisions.outcome = 'entered' and not coalesce(candidates.is_settled, false)))"
        )
        found = (dict(zip(columns, row, strict=True)) for row in rows)
        return [each for each in found if each["emission_id"] not in self._done]

    def _decide(self, copy: Copy, mine: dict[str, Any]) -> list[JourneyDecision]:
        """Decide about these emissions and land what is new."""
        now = self._now()
        news = self._news
        copy.evaluate(now, mine.values(), news.decisions, news.deliveries)
        columns = [n for n in JourneyDecision.model_fields if n in PENDING]
        rows = copy.decided(
            f"select {', '.join(columns)} from journeys.journey_decisions_pending"
            " where candidate_id in (select unnest(?)) order by all",
            sorted(mine),
        )
        decisions = [
            JourneyDecision.model_validate(dict(zip(columns, row, strict=True)))
            for row in rows
        ]
        if decisions:
            self._landing().land(decisions)
            reached("relay.decided")
        open_ones = copy.decided(
            "select distinct candidate_id from journeys.fct_journey_decisions"
            f" where is_latest and outcome in {WAITING}"
        )
        self._done |= set(mine) - {candidate_id for (candidate_id,) in open_ones}
        return decisions

    def _deliver(self, copy: Copy, candidates: Iterable[str]) -> list[DeliverySummary]:
        """Tell the destinations what was entered and is not known to have arrived."""
        columns = [n for n in ActivationChange.model_fields if n not in UNGUARDED]
        rows = copy.decided(
            f"select {', '.join('due.' + c for c in columns)} from journeys.int_journey_triggers as due"
            " inner join journeys.fct_journey_decisions as decisions"
            " on due.sync_name = decisions.journey and due.recipient_key = decisions.recipient_key"
            " and decisions.is_latest and decisions.outcome = 'entered'"
            " and due.op_id = sha256(decisions.journey || '|' || decisions.instance_key || '|' || decisions.recipient_key)"
            " where decisions.candidate_id in (select unnest(?)) order by due.op_id",
            sorted(candidates),
        )
        changes = [
            ActivationChange.model_validate(
                {**dict(zip(columns, row, strict=True)), **UNGUARDED}
            )
            for row in rows
        ]
        summaries = []
        for name in sorted({change.sync_name for change in changes}):
            due = [change for change in changes if change.sync_name == name]
            summary = self._tell(copy, name, due)
            summaries += [summary] if summary else []
        return summaries

    def _tell(
        self, copy: Copy, name: str, due: list[ActivationChange]
    ) -> DeliverySummary | None:
        """One journey's destination. What cannot be told now is left to the job `publish`, which says why."""
        if name not in self._syncs:
            return None
        try:
            with _Opened(self._settings, self._syncs[name].destination) as destination:
                return deliver(
                    self._syncs[name],
                    destination,
                    due,
                    self._landing(),
                    self._settings.landing,
                    copy.loaded("deliveries"),
                )
        except (SyncBusy, DestinationsInvalid):
            return None

    def _landing(self) -> LandingWriter:
        if self._writer is None:
            self._writer = LandingWriter(self._settings.landing)
        return self._writer


class _Opened:
    """A destination for the length of a delivery."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings, self._name = settings, name

    def __enter__(self) -> Destination:
        made = load_destinations(
            self._settings.destinations_file, [self._name], self._settings.outbox
        )
        self._destination = made[self._name]
        return self._destination

    def __exit__(self, *_: object) -> None:
        self._destination.close()


PENDING = (
    "as_of",
    "journey",
    "candidate_id",
    "entry_name",
    "recipient",
    "recipient_key",
    "instance_key",
    "emitted_at",
    "outcome",
    "detail",
)
# The relay's triggers are one by one; guards look at plans.
UNGUARDED = {"is_blocked": False, "blocked_by": None}


def _id_of(trigger: dict[str, Any]) -> str:
    return f"{trigger['name']}:{trigger['source_id']}|{trigger['event_id']}"
