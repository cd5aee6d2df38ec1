"""What the collector says about itself, and how it slows down a key that sends too fast."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.__main__ import main
from ingestion.collector.keys import KeyStore
from ingestion.collector.rates import Rates
from ingestion.connectors import load_sources
from ingestion.front_door import described, webhook_sources
from tests.conftest import ROOT
from tests.unit.test_collector import EVENT, Collector, code
from tests.unit.test_triggers import NPS, SHIPPED
from tests.unit.test_webhooks_in import BODIES, SOURCES, deliver


class Clock:
    """Stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, triggers=SHIPPED, webhooks=SOURCES) as made:
        yield made


def samples(collector: Collector) -> dict[str, float]:
    """Series with its labels → value."""
    answer = collector.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = (line for line in answer.text.splitlines() if not line.startswith("#"))
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {series: float(value) for series, value in pairs}


# Metrics


def test_every_event_is_counted_by_what_became_of_it(collector: Collector) -> None:
    collector.post("/ingest", EVENT)
    twice = {**EVENT, "messageId": "m"}
    collector.post("/v1/batch", [twice, twice, 7, {"event": "x", "userId": []}])
    collector.post("/ingest", b"{")
    deliver(collector, "mailing_tool", {"type": "email.sent"})
    deliver(collector, "mailing_tool", BODIES["mailing_tool"])
    counted = samples(collector)
    for source, outcome, count in (
        ("web_shop", "accepted", 2),
        ("web_shop", "duplicate", 1),
        ("web_shop", "rejected", 3),
        ("mailing_tool", "ignored", 1),
        ("mailing_tool", "accepted", 1),
    ):
        series = f'millrace_events_total{{outcome="{outcome}",source="{source}"}}'
        assert counted[series] == count, series
    reasons = {
        "invalid_event": 2,
        "invalid_json": 1,
    }
    for reason, count in reasons.items():
        series = f'millrace_rejects_total{{code="{reason}",source="web_shop"}}'
        assert counted[series] == count


def test_requests_are_counted_under_the_path_as_declared(collector: Collector) -> None:
    collector.post("/v1/track", {"event": "E"})
    collector.post("/triggers/nps_submitted", NPS)
    collector.post("/triggers/never_declared", NPS)
    for path in ("/made/up", "/as/well"):
        collector.post(path, {})
    counted = samples(collector)
    for path, status, count in (
        ("/v1/track", 200, 1),
        ("/triggers/{name}", 200, 1),
        ("/triggers/{name}", 404, 1),
        ("unknown", 404, 2),
    ):
        series = f'millrace_requests_total{{path="{path}",status="{status}"}}'
        assert counted[series] == count, series
    assert counted['millrace_request_seconds_count{path="/v1/track"}'] == 1
    assert counted["millrace_landing_healthy"] == 1


def test_drift_is_counted_by_trigger_version_and_source(collector: Collector) -> None:
    properties = {"score": 9, "mood": "fine"}
    collector.post("/triggers/nps_submitted", {**NPS, "properties": properties})
    collector.post("/triggers/nps_submitted", NPS)
    labels = 'source="web_shop",trigger="nps_submitted",version="1.0"'
    assert samples(collector)[f"millrace_trigger_drift_total{{{labels}}}"] == 1


# Sources


def test_the_sources_are_told_to_those_who_may_do_more_than_send(
    tmp_path: Path,
) -> None:
    declared = load_sources(ROOT / "sources")
    webhooks = webhook_sources(declared)
    told = [described(source, webhooks) for source in declared]
    with Collector(tmp_path, sources=told) as collector:
        answer = collector.send("GET", "/sources", headers={"X-API-Key": "KEY"})
        assert answer.status_code == 200
        found = {each["source_id"]: each for each in answer.json()["sources"]}
        assert sorted(found) == [source.source_id for source in declared]
        assert found["mailing_tool"]["webhook"]["path"] == "/webhooks/mailing_tool"
        assert "secret" not in json.dumps(found).lower()
        for headers, status in (
            ({}, 401),
            ({"X-API-Key": "WRONG"}, 401),
            ({"X-API-Key": "BROWSER", "Origin": "https://shop.example"}, 403),
        ):
            answer = collector.send("GET", "/sources", headers=headers)
            assert answer.status_code == status
            assert code(answer)


# Rates


def limited(tmp_path: Path, rate: float, **options: Any) -> Collector:
    collector = Collector(tmp_path, **options)
    keys = KeyStore(tmp_path / "keys.json")
    keys.import_text("SLOW", "import", ("batch",), (), rate)
    return collector


def test_a_key_over_its_rate_is_asked_to_come_back_in_time(tmp_path: Path) -> None:
    clock = Clock()
    with limited(tmp_path, 2.0, rates=Rates(clock)) as collector:
        for _ in range(20):
            answer = collector.post("/ingest", EVENT, X_API_Key="SLOW")
            assert answer.status_code == 200
        answer = collector.post("/ingest", EVENT, X_API_Key="SLOW")
        assert (answer.status_code, code(answer)) == (429, "rate_limited")
        clock.now += int(answer.headers["retry-after"])
        assert collector.post("/ingest", EVENT, X_API_Key="SLOW").status_code == 200
        series = 'millrace_rate_limited_total{source="import"}'
        assert samples(collector)[series] == 1
    assert len(collector.landed()) == 21
    assert collector.landed("rejects") == []


def test_a_large_batch_passes_and_is_waited_for_afterwards(tmp_path: Path) -> None:
    clock = Clock()
    with limited(tmp_path, 1.0, rates=Rates(clock)) as collector:
        batch = {"batch": [EVENT] * 110}
        assert collector.post("/batch", batch, X_API_Key="SLOW").status_code == 200
        answer = collector.post("/batch", batch, X_API_Key="SLOW")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "101"
        clock.now += 101
        assert collector.post("/batch", [EVENT], X_API_Key="SLOW").status_code == 200


def test_keys_are_slowed_down_one_by_one_and_only_if_they_have_a_rate(
    tmp_path: Path,
) -> None:
    with limited(tmp_path, 0.1, rates=Rates(Clock())) as collector:
        collector.post("/ingest", EVENT, X_API_Key="SLOW")
        answer = collector.post("/ingest", {**EVENT, "writeKey": "SLOW"}, X_API_Key="")
        assert answer.status_code == 401
        answer = collector.send(
            "POST", "/ingest", content=json.dumps({**EVENT, "writeKey": "SLOW"})
        )
        assert answer.status_code == 429
        for _ in range(30):
            assert collector.post("/ingest", EVENT).status_code == 200


def test_a_key_is_given_its_rate_on_the_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    create = ["keys", "create", "--source", "s", "--scope", "batch"]
    assert main([*create, "--rate", "50"]) == 0
    assert main([*create]) == 0
    capsys.readouterr()
    rates = [key.events_per_second for key in KeyStore(tmp_path / "keys.json").all()]
    assert rates == [50.0, None]
    assert main(["keys", "create", "--source", "s", "--scope", "batch", "--rate=0"])
