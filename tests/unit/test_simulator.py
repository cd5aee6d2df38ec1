"""The simulated shop: the same for a seed, as messy as promised, and understood by our own front door."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from ingestion.connectors import ExtractSource, load_source
from ingestion.contracts import Event
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from ingestion.landing import new_record_id, sealed_segments
from simulator.bulk import write_segments
from simulator.cast import load_cast
from simulator.world import AS_OF, Simulation, simulate
from tests.conftest import ROOT
from tests.pulls import Shop

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Simulation:
    return simulate(people=80, days=30, seed=11)


@pytest.fixture(scope="module")
def events(shop: Simulation) -> list[Event]:
    """Every call as the collector reads it; one that it refused would raise."""
    return [landed(call.source_id, call.dressed(NOW)) for call in shop.calls]


def landed(source_id: str, body: dict) -> Event:
    origin = Origin(source_id, NOW, "client", "/v1/batch", is_single=False)
    return read_event(body, origin, new_record_id())


def test_a_seed_tells_the_same_story_every_time(shop):
    again = simulate(people=80, days=30, seed=11)
    assert [call.body for call in again.calls] == [call.body for call in shop.calls]
    assert again.files == shop.files
    assert again.summary == shop.summary


def test_another_seed_tells_another_story_under_other_ids(shop):
    other = simulate(people=80, days=30, seed=12)
    ids = [
        {call.body.get("messageId") for call in each.calls} - {None}
        for each in (shop, other)
    ]
    assert not ids[0] & ids[1]
    assert other.files != shop.files


def test_every_call_is_accepted_in_its_shape(events):
    assert {event.shape for event in events} == {"segment", "server", "flat"}
    assert not [event for event in events if "unknown_field" in event.flags]


def test_the_story_ends_before_its_as_of(shop, events):
    assert shop.summary["as_of"] == f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}"
    assert max(event.occurred_at for event in events) < AS_OF


def test_events_arrive_twice_late_and_in_disorder(shop, events):
    counts = Counter((event.source_id, event.event_id) for event in events)
    assert (
        len(counts)
        == shop.summary["distinct_events"]
        < len(events)
        == shop.summary["calls"]
    )
    assert max(call.arrives_at - call.at for call in shop.calls) > timedelta(hours=24)
    times = [call.at for call in shop.calls]
    assert times != sorted(times)


def test_a_repeated_event_is_repeated_word_for_word(shop):
    bodies: dict[str, set[bytes]] = {}
    for call in shop.calls:
        name = call.body.get("messageId") or call.body["event_id"]
        bodies.setdefault(name, set()).add(orjson.dumps(call.body))
    assert {len(each) for each in bodies.values()} == {1}


def test_a_wrong_clock_is_wrong_about_both_times_so_that_it_can_be_corrected(shop):
    skewed = [call for call in shop.calls if call.skew]
    assert skewed
    for call in skewed:
        event = landed(call.source_id, call.dressed(NOW))
        assert "clock_corrected" in event.flags
        assert abs(event.occurred_at - call.at) < timedelta(milliseconds=1)


def test_there_are_shared_devices_junk_ids_and_a_junk_address(events):
    users_of: dict[str, set[str]] = {}
    junk, kiosk = set(), set()
    for event in events:
        known = {each["type"]: each["value"] for each in event.identifiers}
        if "anonymous_id" not in known:
            continue
        user = known.get("user_id", "")
        if user in {"undefined", "null", "anonymous"}:
            junk.add(user)
        elif user:
            users_of.setdefault(known["anonymous_id"], set()).add(user)
        if known.get("email") == "kiosk@shop.example":
            kiosk.add(known["anonymous_id"])
    assert any(len(users) > 1 for users in users_of.values())
    assert junk
    assert len(kiosk) > 20


def test_most_orders_are_told_by_browser_and_server_and_all_are_in_the_billing_extract(
    shop,
):
    told: dict[str, set[str]] = {"Order Completed": set(), "purchase_completed": set()}
    for call in shop.calls:
        if call.body.get("event") in told:
            told[call.body["event"]].add(call.body["properties"]["order_id"])
    browser, server = told["Order Completed"], told["purchase_completed"]
    assert browser < server
    assert len(server) == shop.summary["orders"]
    billed = shop.files["billing/orders.csv"].decode().splitlines()[1:]
    assert {line.split(",")[0] for line in billed} == server


def test_the_report_of_each_ad_platform_lands_as_its_source_reads_it(shop, tmp_path):
    pulled = Shop(tmp_path)
    for name, content in shop.files.items():
        if name.startswith("marketing/"):
            pulled.put(name, content)
    for name in ("ad_spend", "meta_ads", "tiktok_ads"):
        source = load_source(ROOT / "sources" / f"{name}.yml")
        assert isinstance(source, ExtractSource)
        result = pulled.pull(source)
        assert result.landed == result.read > 0
    rows = pulled.landed("marketing")
    assert {row["platform"] for row in rows} == {"google_ads", "meta", "tiktok"}
    assert all(float(row["spend"]) > 0 and row["currency"] == "EUR" for row in rows)
    assert all(row["campaign_name"] and row["ad_id"] for row in rows)


def test_bulk_segments_hold_as_many_lines_as_asked_for_all_distinct_and_valid(tmp_path):
    write_segments(tmp_path, 20_000, seed=3, days=15)
    lines = [
        line
        for segment in sealed_segments(tmp_path, "events")
        for line in segment.path.read_bytes().splitlines()
    ]
    records = [orjson.loads(line) for line in lines]
    assert len({record["record_id"] for record in records}) == len(lines) == 20_000
    assert len({record["event_id"] for record in records}) > 19_000
    for record in records[::500]:
        Event.model_validate(
            {name: value for name, value in record.items() if name != "stream"}
        )


def test_every_call_of_the_cast_is_accepted_and_every_expected_name_occurs():
    cast = load_cast(ROOT / "tests/data/cast.yml")
    said = b"".join(cast.files().values()).decode().lower()
    for call in cast.calls():
        said += orjson.dumps(call.body).decode().lower()
        landed(call.source_id, call.dressed(NOW))
    for name, story in cast.people.items():
        assert len(list(story.events)) > 0 or story.rows, name
        orders = story.expect.orders
        for mentioned in (*orders, *story.expect.sessions, *story.expect.times):
            assert mentioned.lower() in said, (
                f"{name} expects {mentioned}, which nobody mentions"
            )
