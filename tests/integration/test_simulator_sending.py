"""The simulator against a real collector: everything is accepted, and sending it again adds no new event."""

import pytest

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running
from ingestion.landing import read_tail
from simulator.sending import NotAccepted, send
from simulator.world import simulate

SOURCES = ("web_shop", "shop_backend", "mailing_tool")


def test_a_second_sending_brings_the_same_events_under_the_same_ids(tmp_path):
    shop = simulate(people=40, days=10, seed=5)
    store = KeyStore(tmp_path / "keys.json")
    keys = {source: store.create(source, ("integration",))[0] for source in SOURCES}
    seen = []
    with running(tmp_path) as url:
        for _ in range(2):
            sent = send(shop.calls, url, keys)
            assert sent.answers.total() == len(shop.calls)
            assert sent.answers.keys() <= {"accepted", "duplicate"}
            landed = read_tail(tmp_path / "landing", "events", set())
            seen.append({(each["source_id"], each["event_id"]) for each in landed})
    assert seen[0] == seen[1]
    assert len(seen[0]) == shop.summary["distinct_events"]


def test_a_wrong_key_stops_the_sending_with_the_collectors_answer(tmp_path):
    shop = simulate(people=5, days=2, seed=5)
    with running(tmp_path) as url, pytest.raises(NotAccepted, match="401"):
        send(shop.calls, url, dict.fromkeys(SOURCES, "no-such-key"))
