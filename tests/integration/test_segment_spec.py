"""Every call that the Segment spec's pages show is accepted, and the clock rule holds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running
from ingestion.contracts.clock import read_moment
from ingestion.landing import read_tail

pytestmark = pytest.mark.acceptance

FOLDER = "2-segment-spec"


class Collector:
    """A running collector, and the row an event became."""

    def __init__(self, url: str, home: Path) -> None:
        self.http = httpx.Client(base_url=url, headers={"X-API-Key": "KEY"})
        self.home = home

    def row(self, event_id: str) -> dict[str, Any]:
        rows = read_tail(self.home / "landing", "events", set())
        return next(row for row in rows if row["event_id"] == event_id)


@pytest.fixture(scope="module")
def collector(
    acceptance_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collector]:
    home = tmp_path_factory.mktemp("spec")
    KeyStore(home / "keys.json").import_text("KEY", "spec", ("integration",))
    with running(home) as url:
        made = Collector(url, home)
        with made.http:
            yield made


def spec_calls(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / FOLDER / "extracted_spec_calls.jsonl").read_text().splitlines()
    return [json.loads(line)["payload"] for line in lines]


def test_all_54_calls_are_accepted_one_by_one_and_as_a_batch(
    acceptance_dir: Path, collector: Collector
) -> None:
    calls = spec_calls(acceptance_dir)
    assert len(calls) == 54
    for call in calls:
        answer = collector.http.post(f"/v1/{call['type']}", json=call)
        assert answer.status_code == 200, (call, answer.text)
        row = collector.row(answer.json()["event_id"])
        assert row["type"] == call["type"]
        if isinstance(call.get("event", ""), str):
            assert row["properties"] == call.get("properties")
            assert row["name"] == call.get("event", call.get("name"))
    answer = collector.http.post("/v1/batch", json={"batch": calls})
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["accepted"] * 54


def test_the_call_nested_in_its_event_is_the_order_it_holds(
    acceptance_dir: Path, collector: Collector
) -> None:
    (nested,) = (
        call
        for call in spec_calls(acceptance_dir)
        if isinstance(call.get("event"), dict)
    )
    answer = collector.http.post("/ingest", json=nested)
    row = collector.row(answer.json()["event_id"])
    assert row["name"] == "Order Completed"
    assert row["properties"] == nested["event"]["properties"]
    assert row["identifiers"] == [{"type": "user_id", "value": "019mr8mf4r"}]


def test_the_events_of_the_identity_cases_are_accepted(
    acceptance_dir: Path, collector: Collector
) -> None:
    text = (acceptance_dir / FOLDER / "identity_cases.json").read_text()
    cases = json.loads(text)["cases"]
    assert len(cases) == 4
    for case in cases:
        answer = collector.http.post("/v1/batch", json=case["events"])
        statuses = {each["status"] for each in answer.json()["results"]}
        assert statuses == {"accepted"}


def test_timestamp_is_received_minus_the_time_it_waited_at_the_sender(
    collector: Collector,
) -> None:
    sent = datetime(2019, 7, 1, 12, 0, 30, tzinfo=UTC)
    call = {
        "type": "track",
        "event": "Clock",
        "messageId": "clock",
        "originalTimestamp": (sent - timedelta(seconds=30)).isoformat(),
        "sentAt": sent.isoformat(),
    }
    collector.http.post("/v1/track", json=call).raise_for_status()
    row = collector.row("clock")
    waited = read_moment(row["received_at"])[0] - read_moment(row["occurred_at"])[0]
    assert waited == timedelta(seconds=30)
    assert row["flags"] == ["clock_corrected"]


def test_the_timestamps_that_others_call_valid_are_valid_here(
    acceptance_dir: Path,
) -> None:
    cases = json.loads(
        (
            acceptance_dir
            / "3-hash-and-normalise"
            / "rudder_valid_timestamp_cases.json"
        ).read_text()
    )
    assert len(cases) == 10
    for case in cases:
        try:
            read_moment(case["input"])
            valid = True
        except ValueError:
            valid = False
        assert valid == case["valid"], case
