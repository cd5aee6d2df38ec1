"""The relay: within seconds, never in doubt, and never twice, whatever the refresh does beside it."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.realtime import relayed
from orchestration.relay.relay import Relay
from orchestration.warehouse.loading import load
from tests.conftest import ROOT
from tests.integration.relaying import (
    NOON,
    agreed,
    cart,
    decisions,
    declared,
    environment,
    refresh,
    said,
    told,
    twin,
)
from tests.landed import land

NAMES = ("ann", "bob", "cem", "dia", "eli", "fay", "gus")
# What happens after the read copy was made, and what each of it comes to in the end.
SINCE_NOON = {
    "ann is reminded": [cart("ann", 1, "a")],
    "and again, of the same": [cart("ann", 2, "a")],
    "bob says no, a second before": [
        agreed("bob", "denied", 2.98),
        cart("bob", 3, "b"),
    ],
    "cem buys": [cart("cem", 3, "c"), said("cem", 4, "Order Completed", "user_id")],
    "dia uses a new device": [
        said("dia", 3, "Page", "user_id", "anonymous_id"),
        cart("dia", 4, "d"),
    ],
    "eli turns out to be fay": [
        said("eli", 4, "identify", "anonymous_id", "user_id", type="identify"),
        said(
            "fay",
            4.1,
            "identify",
            "email",
            type="identify",
            identifiers=[
                {"type": "anonymous_id", "value": "eli-laptop"},
                {"type": "email", "value": "fay@x.example"},
            ],
        ),
        cart("fay", 5, "f"),
    ],
    "nobody knows zoe": [cart("zoe", 5, "z")],
    "mia never agreed": [cart("mia", 5, "m")],
}
BY_THE_RELAY = {
    "cart_abandoned ann 1": "entered",
    "cart_abandoned ann 2": "reentry_blocked",
    "cart_abandoned dia 4": "entered",
    "cart_abandoned mia 5": "no_consent",
}
BY_THE_REFRESH = {
    "cart_abandoned bob 3": "no_consent",
    "cart_abandoned cem 3": "exited_before_release",
    "cart_abandoned fay 5": "entered",
    "cart_abandoned zoe 5": "unresolved_identity",
}
LATER = NOON + timedelta(minutes=10)


@pytest.fixture(scope="module")
def at_noon(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = declared(tmp_path_factory.mktemp("relay") / "noon")
    for name in NAMES:
        land(home, agreed(name))
    land(home, said("mia", -500, "identify", "user_id", "email", type="identify"))
    refresh(home, NOON)
    return home


def relay_of(home: Settings, begins_at: datetime) -> Relay:
    """A relay whose clock goes on by a second whenever it is read."""
    seconds = itertools.count()
    begin = begins_at.replace(tzinfo=None)
    return Relay(home, lambda: begin + timedelta(seconds=next(seconds)))


@pytest.fixture
def home(at_noon: Settings, tmp_path: Path) -> Settings:
    return twin(at_noon, tmp_path / "twin")


@pytest.fixture
def relay(home: Settings) -> Iterator[Relay]:
    made = relay_of(home, LATER)
    made.step()
    yield made
    made.close()


def test_the_relay_decides_what_is_beyond_doubt_and_the_refresh_the_rest(
    home: Settings, relay: Relay
) -> None:
    for events in SINCE_NOON.values():
        land(home, *events)
        relay.step()
    assert decisions(home) == BY_THE_RELAY
    assert told(home) == [("ann@x.example", "a"), ("dia@x.example", "d")]
    assert relay.step() is None
    relay.close()

    refresh(home, LATER + timedelta(minutes=1))
    assert decisions(home) == BY_THE_RELAY | BY_THE_REFRESH
    after = relay_of(home, LATER + timedelta(minutes=2))
    after.step()
    after.close()
    expected = [("ann@x.example", "a"), ("dia@x.example", "d"), ("fay@x.example", "f")]
    assert told(home) == expected, "nobody twice, nobody lost"


@pytest.mark.prove
def test_the_refresh_alone_comes_to_the_same(home: Settings) -> None:
    for events in SINCE_NOON.values():
        land(home, *events)
    refresh(home, LATER)
    again = {"cart_abandoned ann 2": "held_pacing"}  # its turn comes at the next look
    assert decisions(home) == BY_THE_RELAY | BY_THE_REFRESH | again


def test_of_the_pair_one_leads_and_the_other_takes_over(home: Settings) -> None:
    first, second = (relayed(home, seconds) for seconds in (4, 8))
    land(home, *SINCE_NOON["ann is reminded"])
    assert next(first).outcomes == [("recovery", "expired")], "by today's clock it is"
    waiting = ThreadPoolExecutor(1)
    standing_by = waiting.submit(next, second)
    assert list(first) == []
    land(home, *SINCE_NOON["bob says no, a second before"][1:])
    assert standing_by.result().outcomes == [("recovery", "expired")]
    second.close()
    waiting.shutdown()


def test_two_that_both_believe_to_lead_enter_and_tell_once(home: Settings) -> None:
    pair = [relay_of(home, LATER), relay_of(home, LATER)]
    for each in pair:
        each.step()
    land(home, *SINCE_NOON["ann is reminded"], cart("dia", 4, "d"))
    with ThreadPoolExecutor(2) as both:
        list(both.map(Relay.step, pair))
    for each in pair:
        each.step()
        each.close()
    rows = read_tail(home.landing, "journey_decisions", set())
    assert [row["outcome"] for row in rows] == ["entered", "entered"]
    assert told(home) == [("ann@x.example", "a"), ("dia@x.example", "d")]


def test_a_copy_older_than_the_warehouse_hides_no_word_of_consent(
    home: Settings, relay: Relay
) -> None:
    """The refresh took the denial out of the tail and died before it published a copy that knows it."""
    land(home, agreed("bob", "denied", 2))
    load(home)
    land(home, cart("bob", 3, "b"), cart("ann", 3, "a"))
    relay.step()
    begun_anew = relay_of(home, LATER)
    begun_anew.step()
    begun_anew.close()
    assert decisions(home) == {"cart_abandoned ann 3": "entered"}
    assert told(home) == [("ann@x.example", "a")]


@pytest.mark.parametrize(
    "point",
    [
        "relay.decided",
        "delivery.sent",
        pytest.param("delivery.attempted", marks=pytest.mark.prove),
        pytest.param("delivery.settled", marks=pytest.mark.prove),
    ],
)
def test_a_killed_relay_enters_nobody_twice_and_loses_nobody(
    home: Settings, point: str
) -> None:
    land(home, *SINCE_NOON["ann is reminded"])
    assert _run(home, point) == -signal.SIGKILL, f"{point} was never reached"
    assert decisions(home) == {"cart_abandoned ann 1": "entered"}
    assert _run(home) == 0
    entered = [row for row in decisions(home).values() if row == "entered"]
    assert len(entered) == 1
    # Sent and not noted is unknown: told again, the same operation in the same file.
    assert set(told(home)) == {("ann@x.example", "a")}
    operations = {path.name for path in home.outbox.rglob("*.csv")}
    assert len(operations) == 1


def test_what_the_tail_takes_back_the_relay_does_not_send_when_it_begins_anew(
    home: Settings,
) -> None:
    land(home, *SINCE_NOON["ann is reminded"])
    assert _run(home, "relay.decided") == -signal.SIGKILL
    land(home, agreed("ann", "denied", 2))
    assert _run(home) == 0
    assert told(home) == []


def _run(home: Settings, crash_at: str = "") -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.relay_child", "10"],
        cwd=ROOT,
        env=environment(home, crash_at),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode
