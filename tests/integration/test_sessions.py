"""Sessions in SQL against a sessioniser in Python that reads one event after the other, and against real data.

Both lie in one warehouse, built once. The oracle takes from the warehouse only whose events they are.
"""

import csv
import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from ingestion.contracts import Event
from ingestion.settings import Settings
from tests.integration.rooms import build, declare, land_and_load, rows
from tests.landed import platform

SEED = 20260131
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GAP = timedelta(minutes=30)
CAP = timedelta(hours=24)
REACH = timedelta(hours=24)
SILENCES = [
    timedelta(seconds=1),
    timedelta(minutes=5),
    GAP - timedelta(microseconds=1),
    GAP,
    GAP + timedelta(microseconds=1),
    timedelta(hours=3),
    timedelta(0),
]


class Seen(NamedTuple):
    """An event as the sessioniser needs it; sorts in the order of events."""

    occurred_at: datetime
    record_id: str
    event_id: str
    profile_id: str | None


class Session(NamedTuple):
    events: list[Seen]

    @property
    def started_at(self) -> datetime:
        return self.events[0].occurred_at

    @property
    def ended_at(self) -> datetime:
        return self.events[-1].occurred_at


def begins_anew(before: Seen, event: Seen) -> bool:
    silence = event.occurred_at - before.occurred_at
    return silence >= GAP or before.profile_id != event.profile_id


def sessions_by_hand(events: list[Seen]) -> Iterator[Session]:
    """Silence or another person begins a stretch; a stretch is cut every 24 hours."""
    stretches: list[list[Seen]] = []
    for before, event in pairwise([None, *sorted(events)]):
        assert event is not None
        if before is None or begins_anew(before, event):
            stretches.append([])
        stretches[-1].append(event)
    for stretch in stretches:
        pieces: dict[int, list[Seen]] = defaultdict(list)
        for event in stretch:
            pieces[(event.occurred_at - stretch[0].occurred_at) // CAP].append(event)
        yield from map(Session, pieces.values())


def attached_by_hand(event: Seen, sessions: list[Session]) -> Session | None:
    """The session that contains it, else the last one that ended within a day before it."""
    begun = [
        session
        for session in sessions
        if session.events[0].profile_id == event.profile_id
        and session.started_at <= event.occurred_at <= session.ended_at + REACH
    ]
    return max(begun, key=lambda session: session.ended_at, default=None)


def calls(pick: random.Random, key: int) -> Iterator[Event]:
    """A telephone line that several people use, one after the other."""
    moment = NOON
    for number in range(pick.randint(1, 12)):
        moment += pick.choice(SILENCES)
        yield Event(
            source_id="call_centre",
            event_id=f"call-{key}-{number}",
            type="track",
            name="Said something",
            occurred_at=moment,
            identifiers=[{"type": "user_id", "value": f"caller-{pick.randint(1, 2)}"}],
            properties={"line": f"line-{key}"},
            channel="server",
            shape="server",
        )


def visits(pick: random.Random, key: int) -> Iterator[Event]:
    moment = NOON + timedelta(days=key)
    for number in range(pick.randint(1, 30)):
        moment += pick.choice(SILENCES)
        yield visit(f"visit-{key}-{number}", f"visitor-{key}", moment)


def visit(event_id: str, visitor: str, moment: datetime, **fields: object) -> Event:
    values: dict[str, object] = {
        "source_id": "web",
        "type": "page",
        "identifiers": [
            {"type": "anonymous_id", "value": visitor},
            {"type": "user_id", "value": f"user-of-{visitor}"},
        ],
        "channel": "client",
        "shape": "segment",
        **fields,
    }
    return Event.model_validate({**values, "event_id": event_id, "occurred_at": moment})


def never_silent() -> Iterator[Event]:
    """A tab that reloads every 29 minutes for three days."""
    for number in range(150):
        yield visit(f"tab-{number}", "open-tab", NOON + number * timedelta(minutes=29))


def told_by_servers(pick: random.Random, key: int) -> Iterator[Event]:
    person = [{"type": "user_id", "value": f"user-of-visitor-{key}"}]
    for number in range(3):
        moment = NOON + timedelta(days=key) + timedelta(hours=pick.randint(-2, 60))
        yield visit(
            f"server-{key}-{number}",
            "nobody",
            moment + timedelta(minutes=number),
            source_id="shop_backend",
            type="track",
            name="Order Completed",
            identifiers=person,
            channel="server",
        )


def without_key() -> Iterator[Event]:
    for number, blank in enumerate(["", "null", "00000000-0000"]):
        identifiers = [{"type": "anonymous_id", "value": blank}] if blank else []
        yield visit(f"blank-{number}", "blank", NOON, identifiers=identifiers)


def real_visits(path: Path) -> Iterator[Event]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=1):
            moment = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            yield visit(
                f"{row['session_id']}/{number}",
                row["user_id"],
                moment,
                source_id="ecom_web",
                type="track",
                name=row["event"],
                identifiers=[{"type": "anonymous_id", "value": row["user_id"]}],
            )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, acceptance_dir: Path) -> Path:
    home: Settings = platform(tmp_path_factory.mktemp("sessions"))
    declare(home, "web")
    declare(home, "ecom_web")
    declare(home, "shop_backend", is_server=True)
    declare(home, "call_centre", session_key="line", is_server=True)
    pick = random.Random(SEED)
    events = [
        *(event for key in range(200) for event in visits(pick, key)),
        *(event for key in range(150) for event in calls(pick, key)),
        *(event for key in range(200) for event in told_by_servers(pick, key)),
        *never_silent(),
        *without_key(),
    ]
    ecom = acceptance_dir / "5-sessions-ecom" / "ecom.csv.gz"
    pick.shuffle(events)
    land_and_load(home, [*events, *real_visits(ecom)])
    build(home, "fct_sessions", "int_event_sessions")
    return home.warehouse


def seen(warehouse: Path, where: str) -> dict[str, list[Seen]]:
    """The events by session key, NULL as the empty text."""
    found = rows(
        warehouse,
        f"""
        select session_key, occurred_at, record_id::varchar, event_id, profile_id
        from identity.fct_profile_events
        where source_id in ('web', 'call_centre', 'shop_backend') and {where}
        """,
    )
    keys: dict[str, list[Seen]] = defaultdict(list)
    for key, *event in found:
        keys[key or ""].append(Seen(*event))
    return keys


def partition(warehouse: Path, where: str) -> set[frozenset[str]]:
    """The event ids of each session, as the models cut them."""
    found: dict[str, set[str]] = defaultdict(set)
    for session_id, event_id in rows(
        warehouse,
        f"""
        select s.session_id, e.event_id
        from sessions.int_event_sessions as s
        inner join staging.fct_events as e on s.record_id = e.record_id
        where {where}
        """,
    ):
        found[session_id].add(event_id)
    return {frozenset(events) for events in found.values()}


def test_sessions_are_the_ones_that_reading_event_by_event_finds(
    warehouse: Path,
) -> None:
    expected = [
        session
        for events in seen(warehouse, "session_key is not null").values()
        for session in sessions_by_hand(events)
    ]
    found = partition(warehouse, "source_id <> 'ecom_web' and not is_attached")
    assert found == {frozenset(e.event_id for e in s.events) for s in expected}
    assert len(found) > 1000
    assert max(s.ended_at - s.started_at for s in expected) > timedelta(hours=23)


def test_what_servers_say_joins_the_session_around_it_or_the_last_one_of_that_day(
    warehouse: Path,
) -> None:
    sessions = [
        session
        for events in seen(warehouse, "session_key is not null").values()
        for session in sessions_by_hand(events)
    ]
    expected = {}
    for event in seen(warehouse, "session_key is null and is_server")[""]:
        session = attached_by_hand(event, sessions)
        if session is not None:
            expected[event.event_id] = session.events[0].event_id
    found = dict(
        rows(
            warehouse,
            """
            select e.event_id, min_by(o.event_id, o.occurred_at::varchar || o.record_id)
            from sessions.int_event_sessions as s
            inner join staging.fct_events as e on s.record_id = e.record_id
            inner join sessions.int_event_sessions as own
                on s.session_id = own.session_id and not own.is_attached
            inner join staging.fct_events as o on own.record_id = o.record_id
            where s.is_attached
            group by e.event_id
            """,
        )
    )
    assert found == expected
    assert 100 < len(found) < 600


def test_an_event_whose_key_is_blank_is_in_no_session(warehouse: Path) -> None:
    inside = rows(
        warehouse,
        """
        select e.event_id
        from sessions.int_event_sessions as s
        inner join staging.fct_events as e on s.record_id = e.record_id
        where e.event_id like 'blank-%'
        """,
    )
    assert inside == []


@pytest.mark.acceptance
def test_real_visits_fall_into_the_sessions_their_own_system_counted(
    warehouse: Path,
) -> None:
    found = partition(warehouse, "source_id = 'ecom_web'")
    assert len(found) == 3605
    assert sum(map(len, found)) == 31106
    names = [{event_id.split("/")[0] for event_id in events} for events in found]
    assert all(len(name) == 1 for name in names)
    assert max(Counter(name for names_ in names for name in names_).values()) == 1
