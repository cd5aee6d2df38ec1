"""Rejects can be found again and replayed after a fix: as of when they came, and never twice."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.__main__ import main
from ingestion.collector import rejects
from ingestion.collector.rejects import Filter, Replay, replay_landed
from ingestion.contracts.triggers import Triggers
from ingestion.landing import read_tail
from tests.unit.test_collector import EVENT, Collector, code
from tests.unit.test_triggers import MOVED, NPS, SHIPPED, VALID, declared

CART = {
    "version": 1,
    "email": "ada@example.com",
    "properties": {"cart_id": "c", "cart_value": 1, "currency": "EUR"},
}


def landed(home: Path) -> list[dict[str, Any]]:
    return list(read_tail(home / "landing", "events", set()))


def kept(home: Path) -> list[dict[str, Any]]:
    return list(read_tail(home / "landing", "rejects", set()))


def run(home: Path, triggers: Triggers = SHIPPED, **wanted: Any) -> rejects.Replayed:
    return replay_landed(home, home / "landing", Filter(**wanted), Replay(triggers))


@pytest.fixture
def refused_triggers(tmp_path: Path) -> Path:
    """Two calls of a trigger that was declared too late, one of them hopeless."""
    with Collector(tmp_path) as collector:
        for body in (CART, {**CART, "properties": {}}):
            assert code(collector.post("/triggers/cart_abandoned", body)) == (
                "unknown_trigger"
            )
    return tmp_path


def test_a_reject_is_taken_in_once_its_cause_is_gone(refused_triggers: Path) -> None:
    result = run(refused_triggers)
    (first, second) = kept(refused_triggers)
    assert result.accepted == [first["record_id"]]
    ((still, reason),) = result.refused
    assert still == second["record_id"]
    assert reason.startswith("invalid_trigger: properties.cart_id: is required")
    (event,) = landed(refused_triggers)
    assert event["contract"] == "trigger/cart_abandoned"
    assert event["received_at"] == first["received_at"]
    assert event["occurred_at"] == first["received_at"]
    assert event["record_id"] > first["record_id"]
    assert event["flags"] == [f"replay:{first['record_id']}"]


def test_a_second_replay_lands_nothing(refused_triggers: Path) -> None:
    run(refused_triggers)
    result = run(refused_triggers)
    assert (result.accepted, result.events) == ([], 0)
    assert [reason for _, reason in result.skipped] == ["replayed before"]
    assert len(landed(refused_triggers)) == 1


def test_a_replay_whose_memory_was_lost_gives_the_same_event_ids(
    refused_triggers: Path,
) -> None:
    rows = kept(refused_triggers)[:1]
    reader, events = Replay(SHIPPED), []
    for _ in range(2):
        rejects.replay(rows, {}, reader.events, events.extend)
    assert [each.event_id for each in events] == [rows[0]["record_id"]] * 2


def test_an_events_own_id_is_kept_so_that_a_senders_repeat_is_no_second_event(
    tmp_path: Path,
) -> None:
    with Collector(tmp_path) as collector:
        collector.post("/triggers/nps_submitted", {**NPS, "messageId": "m-1"})
        collector.post("/triggers/nps_submitted", NPS, Idempotency_Key="k-1")
        dated = {**NPS, "timestamp": "2026-01-31T12:00:00Z"}
        collector.post("/triggers/nps_submitted", dated)
    (tmp_path / "keys.json").unlink()
    with Collector(tmp_path, triggers=SHIPPED) as collector:
        told = collector.post("/triggers/nps_submitted", dated).json()["event_id"]
    run(tmp_path)
    replayed = [each["event_id"] for each in landed(tmp_path)]
    assert sorted(replayed) == sorted(["m-1", "k-1", told, told])


def test_an_item_is_read_with_what_its_batch_said_for_all(tmp_path: Path) -> None:
    bad = {"type": "track", "event": "E", "userId": "u", "context": "web"}
    body = {
        "batch": [EVENT, {**bad, "originalTimestamp": "2026-01-31T12:00:00Z"}],
        "sentAt": "2026-01-31T12:00:10Z",
        "context": {"library": {"name": "x"}},
    }
    with Collector(tmp_path) as collector:
        collector.post("/v1/batch", body, Idempotency_Key="k")
    (row,) = kept(tmp_path)
    row["raw"] = row["raw"].replace('"context":"web",', "")
    (event,) = Replay({}).events(row)
    assert event.context == {"library": {"name": "x"}}
    assert event.event_id == "k:1"
    assert event.flags[0] == "clock_corrected"
    assert (event.received_at - event.occurred_at).total_seconds() == 10
    assert event.channel == "server"


def test_a_whole_batch_is_finished_where_a_kill_left_it(tmp_path: Path) -> None:
    calls = [{"event": name, "customer_id": "u"} for name in "abc"]
    with Collector(tmp_path) as collector:
        collector.post("/v1/batch", gzip.compress(json.dumps({"x": calls}).encode()))
    (row,) = kept(tmp_path)
    assert row["encoding"] == "base64"
    row.update(encoding="utf-8", raw=json.dumps({"batch": calls}))
    events = Replay({}).events(row)
    assert len({each.event_id for each in events}) == 3
    again: list[Any] = []
    done = {row["record_id"]: {events[0].event_id, events[1].event_id}}
    result = rejects.replay([row], done, Replay({}).events, again.extend)
    assert [each.name for each in again] == ["c"]
    assert result.events == 1


def test_rows_of_extracts_are_left_to_the_next_pull() -> None:
    row = {"record_id": "r", "endpoint": "extract:crm.csv", "item": 3}
    result = rejects.replay([row], {}, Replay({}).events, list)
    assert result.skipped == [
        ("r", "a row of an extract; the next pull reads it again")
    ]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"source": "web_shop"}, 2),
        ({"source": "other"}, 0),
        ({"code": "unknown_trigger"}, 2),
        ({"code": "invalid_event"}, 0),
        ({"endpoint": "/triggers/cart_abandoned"}, 2),
        ({"endpoint": "/ingest"}, 0),
        ({"record_id": "no-such"}, 0),
    ],
)
def test_rejects_are_found_by_what_is_known_of_them(
    refused_triggers: Path, wanted: dict[str, str], count: int
) -> None:
    found = rejects.find(refused_triggers / "landing", Filter(**wanted))
    assert len(list(found)) == count


def test_only_one_replay_runs_at_a_time(refused_triggers: Path) -> None:
    with (
        rejects.alone(refused_triggers),
        pytest.raises(ValueError, match="another replay is running"),
    ):
        run(refused_triggers)


def test_the_command_line_lists_tries_and_replays(
    refused_triggers: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(refused_triggers))
    assert main(["rejects", "list"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2
    assert "unknown_trigger  /triggers/cart_abandoned" in told.out
    assert told.err == "2 open: unknown_trigger from web_shop\n"

    assert main(["rejects", "replay", "--dry-run"]) == 0
    assert "1 rejects would be taken in as 1 events" in capsys.readouterr().out
    assert landed(refused_triggers) == []

    assert main(["rejects", "replay", "--since", "2026-01-01"]) == 0
    told = capsys.readouterr()
    assert "1 rejects taken in as 1 events, 1 refused still" in told.out
    assert len(landed(refused_triggers)) == 1

    assert main(["rejects", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["rejects", "list", "--since", "soon"]) == 1


# What the envelope of a reject must not become


@pytest.mark.parametrize(
    "flaw", ['{"a": ' * 300 + "1" + "}" * 300, '{"a": NaN}', '{"a": "\\ud800"}']
)
def test_a_context_that_no_event_can_hold_refuses_its_batch(
    tmp_path: Path, flaw: str
) -> None:
    body = f'{{"context": {flaw}, "batch": [{json.dumps(EVENT)}, 7]}}'.encode()
    with Collector(tmp_path) as collector:
        assert collector.post("/v1/batch", body).status_code == 400
    assert len(kept(tmp_path)) == 1


def test_a_large_context_is_not_kept_with_every_refused_item(tmp_path: Path) -> None:
    body = {"context": {"a": "x" * 20_000}, "sentAt": "\ud800", "batch": [7] * 3}
    with Collector(tmp_path) as collector:
        assert collector.post("/v1/batch", body).status_code == 200
        too_large = {"context": {"a": "x" * 40_000}, "batch": [7]}
        assert collector.post("/v1/batch", too_large).status_code == 413
    assert [row["envelope"] for row in kept(tmp_path)] == [{"channel": "server"}] * 4


def test_a_trigger_that_gained_a_minor_version_takes_what_it_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "triggers"
    folder.mkdir()
    moved = declared(folder, MOVED)
    body = {"version": "1.3", "email": "a@b.c", "properties": VALID}
    with Collector(tmp_path, triggers={"moved": moved}) as collector:
        assert collector.post("/triggers/moved", body).status_code == 400
    newer = declared(folder, MOVED.replace('"1.2"', '"1.3"'))
    assert run(tmp_path, {"moved": newer}).events == 1
