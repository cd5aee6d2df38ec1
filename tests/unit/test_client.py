"""The sender for backends: nothing invalid leaves, nothing valid is given up early, every attempt is on record."""

import email.utils
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ingestion.client import Client, NotSent
from ingestion.collector.limits import Limits
from ingestion.contracts.refusals import Refused

OK = (200, {}, b'{"success": true}')


class Receiver(ThreadingHTTPServer):
    """Gives the scripted answers in turn, then takes everything; a script entry of None cuts the connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, str], bytes] | None] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version: ClassVar[str] = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, body))
        self.server.keys.add(self.headers["X-API-Key"])
        answer = self.server.script.pop(0) if self.server.script else _taken(body)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _taken(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    results = [
        {"index": index, "status": "accepted", "event_id": call["messageId"]}
        for index, call in enumerate(body.get("batch", []))
    ]
    return 200, {}, json.dumps({"success": True, "results": results}).encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(receiver: Receiver, waits: list[float], tmp_path: Path) -> Iterator[Client]:
    log = tmp_path / "sent.ndjson"
    with Client(receiver.url, "KEY", log=log, pause=waits.append) as made:
        yield made


def test_a_call_is_sent_with_an_id_a_time_and_the_key(
    client: Client, receiver: Receiver
) -> None:
    answer = client.track("Order Completed", userId="u-1", properties={"total": 1})
    assert answer.attempts == 1
    ((path, body),) = receiver.got
    assert path == "/ingest"
    assert body["messageId"]
    assert body["originalTimestamp"] <= body["sentAt"]
    assert receiver.keys == {"KEY"}


def test_a_time_and_an_id_that_are_given_stay(
    client: Client, receiver: Receiver
) -> None:
    then = datetime(2026, 1, 31, 12, tzinfo=UTC)
    client.track("E", event_id=7, timestamp=then, properties={"a": Decimal("1.10")})
    ((_, body),) = receiver.got
    assert body["messageId"] == "7"
    assert body["timestamp"] == "2026-01-31T12:00:00+00:00"
    assert "originalTimestamp" not in body
    assert body["properties"] == {"a": "1.10"}


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"type": "track"}, "event"),
        ({"event": "E", "userId": [1]}, "userId"),
        ({"event": "E", "properties": {"a": float("nan")}}, ""),
        ({"event": "E", "properties": {"a": object()}}, ""),
        ({"event": "E", "properties": {"a": "\ud800"}}, ""),
        ({"event": "E", "properties": {"a": "x" * 40_000}}, ""),
        ({"event": "E", "timestamp": "soon"}, "timestamp"),
        ({"event": "E", "timestamp": datetime.now(UTC) + timedelta(days=9)}, ""),
        ({"hello": "world"}, ""),
    ],
)
def test_what_would_be_refused_is_not_sent(
    client: Client, receiver: Receiver, call: dict[str, Any], path: str
) -> None:
    with pytest.raises(Refused) as caught:
        client.send(call)
    assert caught.value.faults
    assert not path or caught.value.faults[0].path == path
    assert receiver.got == []


def test_a_trigger_is_held_against_its_contract_first(
    client: Client, receiver: Receiver
) -> None:
    with pytest.raises(Refused) as caught:
        client.trigger("nps_submitted", "1.0", userId="u", properties={"score": "9"})
    assert caught.value.faults[0].path == "properties.score"
    with pytest.raises(Refused, match="no trigger is called"):
        client.trigger("never_declared", "1.0", userId="u")
    assert receiver.got == []
    client.trigger("nps_submitted", "1.0", userId="u", properties={"score": 9})
    assert receiver.got[0][0] == "/triggers/nps_submitted"


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {}, b"oops"),
        (503, {}, b"{}"),
        (429, {}, b"{}"),
        (408, {}, b"{}"),
        (502, {}, b"<html>"),
        None,
    ],
)
def test_after_passing_trouble_the_same_event_is_sent_again(
    client: Client, receiver: Receiver, waits: list[float], trouble: Any
) -> None:
    receiver.script = [trouble, trouble, OK]
    assert client.track("E", userId="u").attempts == 3
    ids = {body["messageId"] for _, body in receiver.got}
    times = {body["originalTimestamp"] for _, body in receiver.got}
    assert (len(receiver.got), len(ids), len(times)) == (3, 1, 1)
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


@pytest.mark.parametrize("as_date", [False, True])
def test_the_collector_says_when_to_come_back(
    client: Client, receiver: Receiver, waits: list[float], as_date: bool
) -> None:
    when = datetime.now(UTC) + timedelta(seconds=20)
    said = email.utils.format_datetime(when, usegmt=True) if as_date else "20"
    receiver.script = [(429, {"Retry-After": said}, b"{}")]
    client.track("E", userId="u")
    assert 17 < waits[0] <= 21


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413])
def test_a_final_no_is_not_argued_with(
    client: Client, receiver: Receiver, waits: list[float], status: int
) -> None:
    receiver.script = [(status, {}, b'{"code": "no"}')]
    with pytest.raises(NotSent, match="no") as caught:
        client.track("E", userId="u")
    assert caught.value.status == status
    assert (len(receiver.got), waits) == (1, [])


def test_what_answers_like_no_collector_is_not_believed(
    client: Client, receiver: Receiver
) -> None:
    receiver.script = [(200, {}, b"<html>Welcome</html>")]
    with pytest.raises(NotSent, match="no collector"):
        client.track("E", userId="u")


def test_patience_ends(receiver: Receiver) -> None:
    receiver.script = [(503, {"Retry-After": "60"}, b"{}")] * 3
    with (
        Client(receiver.url, "KEY", patience=30) as client,
        pytest.raises(NotSent) as caught,
    ):
        client.track("E", userId="u")
    assert caught.value.status == 503
    assert len(receiver.got) == 1


def test_a_batch_sends_the_good_ones_and_tells_of_the_others(
    client: Client, receiver: Receiver
) -> None:
    calls = [{"event": "a"}, {"event": "b", "userId": {}}, {"event": "c"}]
    results = client.send_batch(calls)
    statuses = [each["status"] for each in results]
    assert statuses == ["accepted", "rejected", "accepted"]
    assert [each["index"] for each in results] == [0, 1, 2]
    assert results[1]["errors"][0]["path"] == "userId"
    ((path, body),) = receiver.got
    assert path == "/v1/batch"
    assert [call["event"] for call in body["batch"]] == ["a", "c"]


def test_a_large_batch_is_sent_in_parts_that_fit(receiver: Receiver) -> None:
    limits = Limits(batch_bytes=8_000, batch_events=10)
    calls = [{"event": f"{n}", "properties": {"a": "x" * 100 * n}} for n in range(30)]
    with Client(receiver.url, "KEY", limits=limits) as client:
        results = client.send_batch(calls)
    assert [each["index"] for each in results] == list(range(30))
    assert len({each["event_id"] for each in results}) == 30
    sent = [call["event"] for _, body in receiver.got for call in body["batch"]]
    assert sent == [call["event"] for call in calls]
    for _, body in receiver.got:
        assert len(body["batch"]) <= 10
        assert len(json.dumps(body, separators=(",", ":"))) <= 8_000


def test_an_empty_batch_sends_nothing(client: Client, receiver: Receiver) -> None:
    assert client.send_batch([]) == []
    assert receiver.got == []


def test_every_attempt_is_on_record_and_the_key_is_not(
    client: Client, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.script = [(500, {}, b"oops"), None, OK, (400, {}, b'{"code": "bad"}')]
    client.track("E", userId="u", messageId="m-1")
    with pytest.raises(NotSent):
        client.track("E", userId="u", messageId="m-2")
    text = (tmp_path / "sent.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["event_ids"], line["attempt"], line["status"]) for line in lines] == [
        (["m-1"], 1, 500),
        (["m-1"], 2, None),
        (["m-1"], 3, 200),
        (["m-2"], 1, 400),
    ]
    assert "oops" in lines[0]["said"]
    assert lines[0]["again_in_seconds"] > 0
    assert lines[2]["again_in_seconds"] is None
    assert "KEY" not in text
