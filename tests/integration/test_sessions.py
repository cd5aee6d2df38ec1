"""Sessions, channels and attribution in SQL against Python that reads one event after the other, and real data.

All lie in one warehouse, built in two refreshes with half of the events each, in shuffled order; so every test here
is one of recomputing touched keys as well. The oracles take from the warehouse only whose events they are.
"""

import csv
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from ingestion.settings import Settings
from tests.conftest import ROOT
from tests.dbt import dbt
from tests.integration import visits
from tests.integration.rooms import AS_OF, build, declare, land_and_load, rows
from tests.integration.visits import GAP, PEOPLE
from tests.landed import platform

SEED = 20260131
CAP = timedelta(hours=24)
REACH = timedelta(hours=24)
WINDOW = timedelta(days=30)
CHANNEL_CASES = ROOT / "tests/data/ga4_channel_cases.csv"
ORIGIN_CASES = ROOT / "tests/data/origin_cases.csv"
ROOMS = ("fct_marketing_daily", "fct_session_revenue", "int_event_sessions")
TABLES = (
    *("sessions.fct_sessions", "sessions.int_event_sessions"),
    *("sessions.fct_session_revenue", "marketing.fct_attribution"),
    "marketing.fct_marketing_daily",
)


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

    @property
    def profile_id(self) -> str | None:
        return next((e.profile_id for e in self.events if e.profile_id), None)


def sessions_by_hand(events: list[Seen]) -> Iterator[Session]:
    """Silence or another person begins a stretch; a stretch is cut every 24 hours."""
    stretches: list[list[Seen]] = []
    holder = None
    for before, event in pairwise([None, *sorted(events)]):
        assert event is not None
        is_silent = before is None or event.occurred_at - before.occurred_at >= GAP
        if is_silent or (holder and event.profile_id and event.profile_id != holder):
            stretches.append([])
        holder = event.profile_id or holder
        stretches[-1].append(event)
    for stretch in stretches:
        pieces: dict[int, list[Seen]] = defaultdict(list)
        for event in stretch:
            pieces[(event.occurred_at - stretch[0].occurred_at) // CAP].append(event)
        yield from map(Session, pieces.values())


def joined_by_hand(event: Seen, sessions: list[Session]) -> Session | None:
    """The session that contains it, else the last one that ended within a day before it."""
    begun = [
        session
        for session in sessions
        if session.profile_id == event.profile_id
        and session.started_at <= event.occurred_at <= session.ended_at + REACH
    ]
    return max(begun, key=lambda session: session.ended_at, default=None)


def shares_by_hand(model: str, touches: list[tuple[datetime, bool]]) -> list[Fraction]:
    """What each visit is credited with; a touch is (when, whether it was direct)."""
    count, last = len(touches), len(touches) - 1
    if model == "time_decay":
        newest = touches[-1][0]
        halves = [(newest - at) / timedelta(days=7) for at, _ in touches]
        raw = [Fraction(0.5**half) for half in halves]
        return [part / sum(raw) for part in raw]
    if model == "linear":
        return [Fraction(1, count)] * count
    if model == "position":
        if count <= 2:
            return [Fraction(1, count)] * count
        between = [Fraction(1, 5) / (count - 2)] * (count - 2)
        return [Fraction(2, 5), *between, Fraction(2, 5)]
    named = [place for place, (_, direct) in enumerate(touches) if not direct]
    winner = {"first": 0, "last": last, "last_non_direct": (named or [last])[-1]}[model]
    return [Fraction(place == winner) for place in range(count)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, acceptance_dir: Path) -> Settings:
    """Two refreshes; the second one brings late events, logins that name earlier visitors, corrected spend."""
    home: Settings = platform(tmp_path_factory.mktemp("sessions"))
    declare(home, "web", default_currency="EUR")
    declare(home, "ecom_web")
    declare(home, "shop_backend", is_server=True)
    declare(home, "call_centre", session_key="line", is_server=True)
    pick = random.Random(SEED)
    events = [
        *(event for key in range(PEOPLE) for event in visits.visits(pick, key)),
        *(event for key in range(PEOPLE) for event in visits.calls(pick, key)),
        *(
            event
            for key in range(PEOPLE)
            for event in visits.told_by_servers(pick, key)
        ),
        *visits.never_silent(),
        *visits.without_key(),
        *visits.robots(),
        *visits.tagged(CHANNEL_CASES),
        *visits.originating(ORIGIN_CASES),
    ]
    pick.shuffle(events)
    spend = list(visits.advertising(pick))
    real = list(visits.real_visits(acceptance_dir / "5-sessions-ecom/ecom.csv.gz"))
    middle = len(events) // 2
    land_and_load(home, [*events[:middle], *real[1000:], *spend[:60]])
    build(home, *ROOMS)
    land_and_load(home, [*events[middle:], *real[:1000], *spend[60:]])
    refresh(home)
    return home


@pytest.fixture(scope="module")
def warehouse(home: Settings) -> Path:
    return home.warehouse


def refresh(home: Settings, *arguments: str) -> None:
    selection = [f"+{name}" for name in ROOMS]
    command = ("run", "--quiet", *arguments, "--select", *selection)
    dbt(home.warehouse, *command, as_of=AS_OF)


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


def expected_sessions(warehouse: Path) -> list[Session]:
    return [
        session
        for events in seen(warehouse, "session_key is not null").values()
        for session in sessions_by_hand(events)
    ]


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
    expected = expected_sessions(warehouse)
    found = partition(warehouse, "source_id <> 'ecom_web' and not is_attached")
    assert found == {frozenset(e.event_id for e in s.events) for s in expected}
    assert len(found) > 800
    assert max(s.ended_at - s.started_at for s in expected) > timedelta(hours=23)


def test_what_servers_say_joins_the_session_around_it_or_the_last_one_of_that_day(
    warehouse: Path,
) -> None:
    sessions = expected_sessions(warehouse)
    expected = {}
    for event in seen(warehouse, "session_key is null and is_server")[""]:
        session = joined_by_hand(event, sessions)
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
    assert 60 < len(found) < 3 * PEOPLE


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


def test_tagged_visits_fall_into_the_channels_that_ga4_documents(
    warehouse: Path,
) -> None:
    found = dict(
        rows(
            warehouse,
            "select session_key, channel from sessions.fct_sessions"
            " where session_key like 'tagged-%'",
        )
    )
    with CHANNEL_CASES.open(newline="", encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    wrong = {
        (*case.values(), found[f"tagged-{number}"])
        for number, case in enumerate(cases)
        if found[f"tagged-{number}"] != case["channel"]
    }
    assert not wrong
    assert len({case["channel"] for case in cases}) == 19


def test_click_ids_own_tags_utm_hints_and_referrers_are_believed_in_that_order(
    warehouse: Path,
) -> None:
    found = {
        key: tuple(origin)
        for key, *origin in rows(
            warehouse,
            "select session_key, source, medium, channel, channel_decided_by"
            " from sessions.fct_sessions where session_key like 'origin-%'",
        )
    }
    columns = ("source", "medium", "channel", "decided_by")
    with ORIGIN_CASES.open(newline="", encoding="utf-8") as file:
        for number, case in enumerate(csv.DictReader(file)):
            expected = tuple(case[column] for column in columns)
            assert found[f"origin-{number}"] == expected, case["case"]


def test_robots_are_quarantined_and_a_telephone_maker_is_no_robot(
    warehouse: Path,
) -> None:
    found = dict(
        rows(
            warehouse,
            "select session_key, is_bot from sessions.fct_sessions"
            " where session_key in ('googlebot', 'headless', 'unheard-of', 'cubot', 'person')",
        )
    )
    assert found == {
        "googlebot": True,
        "headless": True,
        "unheard-of": True,
        "cubot": False,
        "person": False,
    }


def test_an_order_counts_in_one_session_and_in_its_own_currency(
    warehouse: Path,
) -> None:
    told = set(
        rows(
            warehouse,
            """
            select distinct e.order_id
            from sessions.int_event_sessions as s
            inner join staging.fct_events as e on s.record_id = e.record_id
            where e.order_effect = 'completed' and e.order_id is not null
            """,
        )
    )
    orders = rows(
        warehouse,
        "select order_id, currency, revenue from orders.fct_orders where is_purchase",
    )
    expected: dict[str, tuple[int, Decimal]] = {}
    for order_id, currency, revenue in orders:
        if (order_id,) in told:
            count, total = expected.get(currency, (0, Decimal(0)))
            expected[currency] = count + 1, total + revenue
    found = {
        currency: (count, revenue)
        for currency, count, revenue in rows(
            warehouse,
            "select currency, sum(order_count)::int, sum(revenue)"
            " from sessions.fct_session_revenue group by currency",
        )
    }
    assert found == expected
    assert expected.keys() == {"EUR", "USD"}


def test_credit_is_what_working_it_out_visit_by_visit_gives(warehouse: Path) -> None:
    touches: dict[str, list[tuple[datetime, str, bool]]] = defaultdict(list)
    for profile_id, at, session_id, channel in rows(
        warehouse,
        "select profile_id, touched_at, session_id, channel from marketing.fct_touchpoints",
    ):
        touches[profile_id].append((at, session_id, channel == "Direct"))
    credits: dict[tuple[str, str], dict[str | None, Any]] = defaultdict(dict)
    for order_id, model, session_id, weight, revenue in rows(
        warehouse,
        "select order_id, model, session_id, weight, revenue from marketing.fct_attribution",
    ):
        credits[order_id, model][session_id] = weight, revenue
    orders = rows(
        warehouse,
        "select order_id, profile_id, ordered_at, revenue"
        " from orders.fct_orders where is_purchase",
    )
    shared = 0
    for order_id, profile_id, ordered_at, revenue in orders:
        path = sorted(
            touch
            for touch in touches[profile_id]
            if ordered_at - WINDOW < touch[0] <= ordered_at
        )
        for model in (
            *("first", "last", "last_non_direct"),
            *("linear", "position", "time_decay"),
        ):
            given = credits.pop((order_id, model))
            assert sum(weight for weight, _ in given.values()) == 1
            assert sum(amount for _, amount in given.values()) == revenue
            if not path:
                assert given == {None: (1, revenue)}
                continue
            shares = shares_by_hand(model, [(at, direct) for at, _, direct in path])
            expected = {s: share for (_, s, _), share in zip(path, shares, strict=True)}
            assert given.keys() == {s for s, share in expected.items() if share}
            for session_id, (weight, amount) in given.items():
                share = expected[session_id]
                assert abs(Fraction(weight) - share) < Fraction(2, 10**10)
                assert abs(Fraction(amount) - Fraction(revenue) * share) <= Fraction(
                    "0.011"
                )
            shared += len(given) > 1
    assert not credits
    assert shared > 100


def test_daily_figures_lose_nothing_and_add_no_two_currencies(warehouse: Path) -> None:
    def sums(sql: str) -> dict[str, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in rows(warehouse, sql)}

    daily = "from marketing.fct_marketing_daily group by currency having"
    spend = sums(
        f"select currency, sum(spend), sum(clicks)::int {daily} sum(spend) <> 0"
    )
    assert spend == sums(
        """
        select currency, sum(spend), sum(clicks)::int from (
            select distinct on (row_key) * from raw.marketing
            order by row_key, record_id desc
        ) where op = 'upsert' group by currency
        """
    )
    revenue = sums(
        f"select currency, sum(order_count), sum(revenue) {daily} sum(order_count) > 0"
    )
    assert revenue == sums(
        "select currency, count(*), sum(revenue) from orders.fct_orders"
        " where is_purchase group by currency"
    )
    assert spend.keys() == revenue.keys() == {"EUR", "USD"}
    assert rows(
        warehouse, "select sum(session_count)::int from marketing.fct_marketing_daily"
    ) == rows(warehouse, "select count(*) from sessions.fct_sessions where not is_bot")


def test_spend_meets_the_visits_of_its_campaign_by_name_and_by_number(
    warehouse: Path,
) -> None:
    found = {
        (channel, campaign, currency): (spend > 0, sessions > 0, matched)
        for channel, campaign, currency, spend, sessions, matched in rows(
            warehouse,
            """
            select channel, campaign, currency, sum(spend), sum(session_count),
                bool_or(is_spend_matched)
            from marketing.fct_marketing_daily group by all
            """,
        )
    }
    assert found["Paid Search", "brand", "EUR"] == (True, True, True)
    assert found["Paid Search", "winter beans", "EUR"] == (True, True, True)
    assert found["Paid Other", "skies", "EUR"] == (True, False, False)
    assert found["Email", "weekly", "EUR"] == (False, True, False)


def test_two_refreshes_give_what_one_from_nothing_gives(
    home: Settings, tmp_path: Path
) -> None:
    assert differences(home, tmp_path) == []


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(6))
def test_any_cut_into_batches_with_merges_and_unmerges_gives_the_same(
    seed: int, tmp_path: Path
) -> None:
    """Late events in any order, logins that merge earlier visitors, and pairs that are taken apart and put together."""
    home = platform(tmp_path / "any")
    declare(home, "web", default_currency="EUR")
    declare(home, "shop_backend", is_server=True)
    declare(home, "call_centre", session_key="line", is_server=True)
    pick = random.Random(seed)
    people = range(40)
    events = [
        *(event for key in people for event in visits.visits(pick, key)),
        *(event for key in people for event in visits.calls(pick, key)),
        *(event for key in people for event in visits.told_by_servers(pick, key)),
    ]
    pick.shuffle(events)
    spend = list(visits.advertising(pick))
    cuts = sorted(pick.sample(range(len(events)), pick.randint(2, 4)))
    for number, (start, end) in enumerate(pairwise([0, *cuts, len(events)])):
        land_and_load(home, [*events[start:end], *spend[number :: len(cuts) + 1]])
        if number == 0:
            build(home, *ROOMS)
            continue
        edit_pairs(home, pick)
        refresh(home)
        folder = tmp_path / str(number)
        folder.mkdir()
        assert differences(home, folder) == []


def edit_pairs(home: Settings, pick: random.Random) -> None:
    """Some visitors and users may no longer be one person, some whom that was said of may again."""
    with duckdb.connect(home.warehouse) as connection:
        connection.execute(
            "delete from seeds.never_together where hash(identifier_value_a) % 2 = ?",
            [pick.randrange(2)],
        )
        for _ in range(3):
            key = pick.randrange(40)
            connection.execute(
                "insert into seeds.never_together values"
                " ('anonymous_id', ?, 'user_id', ?, 'a test')",
                [f"visitor-{key}", f"user-{pick.choice([key, key + 1])}"],
            )


def differences(home: Settings, folder: Path) -> list[str]:
    """Tables in which the warehouse differs from one that computes its rooms from nothing."""
    # With whatever is still in the file's write-ahead log.
    anew = shutil.copytree(home.warehouse.parent, folder / "anew") / home.warehouse.name
    rooms = ("path:models/sessions", "path:models/marketing")
    dbt(anew, "run", "--quiet", "--full-refresh", "--select", *rooms, as_of=AS_OF)
    return [t for t in TABLES if contents(anew, t) != contents(home.warehouse, t)]


def contents(warehouse: Path, table: str) -> list[tuple[Any, ...]]:
    return rows(warehouse, f"select count(*), sum(hash(t)::hugeint) from {table} as t")
