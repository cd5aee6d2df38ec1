"""The door over an in-process application: answers, limits, rejects, and saying when it can't take more."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response

from ingestion.collector.app import (
    BATCH_PATHS,
    SINGLE_PATHS,
    SPEC_PATHS,
    create_app,
)
from ingestion.collector.door import Door
from ingestion.collector.intake import REPEATS
from ingestion.collector.keys import KeyStore
from ingestion.collector.limits import Limits
from ingestion.collector.tenants import Tenant, Tenants
from ingestion.landing import Disk, LandingWriter, read_tail

EVENT = {"event": "purchase_completed", "customer_id": "cust_12345"}
DECLARED = ("triggers", "webhooks", "sources", "mappings")
OF_THE_DOOR = ("limits", "rates", "issuers")


class Collector:
    """A collector in this process, and what it landed. Its event loop runs beside the test."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.root = home / "landing"
        keys = KeyStore(home / "keys.json")
        keys.import_text("KEY", "web_shop", ("integration",))
        keys.import_text("BROWSER", "tracker", ("tracker",), ("https://shop.example",))
        declared = {name: options.pop(name) for name in DECLARED if name in options}
        door = {name: options.pop(name) for name in OF_THE_DOOR if name in options}
        opener, known = options.pop("opener", None), options.pop("known", ())
        house = Tenant(LandingWriter(self.root, **options), **declared)
        self.tenants = Tenants(house, opener, known)
        app = create_app(Door(self.tenants, keys, **door))
        self.http = AsyncClient(transport=ASGITransport(app), base_url="http://door")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Collector":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.tenants.close()

    def send(self, method: str, path: str, **given: Any) -> Response:
        request = self.http.request(method, path, **given)
        return asyncio.run_coroutine_threadsafe(request, self.loop).result(30)

    def get(self, path: str) -> Response:
        return self.send("GET", path)

    def post(self, path: str, content: Any, **headers: str) -> Response:
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(
            "POST", path, content=content, headers={"X-API-Key": "KEY", **named}
        )

    def landed(self, stream: str = "events") -> list[dict[str, Any]]:
        return list(read_tail(self.root, stream, set()))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path) as made:
        yield made


def code(response: Response) -> str:
    """The error's code, once it is clear that the answer is a proper error."""
    body = response.json()
    assert set(body) == {"code", "message", "errors"}
    assert body["message"]
    assert all(set(each) == {"path", "reason"} for each in body["errors"])
    return str(body["code"])


# Paths


@pytest.mark.parametrize("path", SINGLE_PATHS)
def test_one_event_is_taken_in_and_its_id_told(collector: Collector, path: str) -> None:
    answer = collector.post(path, EVENT)
    assert answer.status_code == 200
    (row,) = collector.landed()
    assert answer.json() == {"success": True, "event_id": row["event_id"]}
    assert row["source_id"] == "web_shop"
    assert row["channel"] == "server"


@pytest.mark.parametrize("path", SPEC_PATHS)
def test_a_call_of_the_spec_has_the_type_its_path_says(
    collector: Collector, path: str
) -> None:
    assert collector.post(path, {"event": "E", "userId": "u"}).status_code == 200
    call_type = collector.landed()[0]["type"]
    assert path in (f"/v1/{call_type}", f"/v1/{call_type[0]}")


@pytest.mark.parametrize("path", BATCH_PATHS)
@pytest.mark.parametrize("wrapped", [None, "batch", "events"])
def test_a_batch_may_be_a_list_or_wrapped(
    collector: Collector, path: str, wrapped: str | None
) -> None:
    events = [{**EVENT, "messageId": "1"}, {**EVENT, "messageId": "2"}]
    answer = collector.post(path, {wrapped: events} if wrapped else events)
    assert answer.status_code == 200
    assert answer.json()["status"] == "enqueued"
    assert [each["status"] for each in answer.json()["results"]] == ["accepted"] * 2
    assert [row["event_id"] for row in collector.landed()] == ["1", "2"]


def test_an_empty_batch_is_fine(collector: Collector) -> None:
    assert collector.post("/v1/batch", {"batch": []}).json()["results"] == []


@pytest.mark.parametrize("path", ["/", "/v1/batch/", "/v1/nope", "/ingest/"])
def test_an_unknown_path_is_an_error_and_never_a_redirect(
    collector: Collector, path: str
) -> None:
    answer = collector.post(path, EVENT)
    assert answer.status_code == 404
    assert code(answer) == "not_found"


def test_a_wrong_method_says_so(collector: Collector) -> None:
    answer = collector.get("/ingest")
    assert answer.status_code == 405
    assert code(answer) == "method_not_allowed"


def test_the_paths_are_documented(collector: Collector) -> None:
    documented = set(collector.get("/openapi.json").json()["paths"])
    assert {*SINGLE_PATHS, *BATCH_PATHS, *SPEC_PATHS, "/healthz"} <= documented
    assert collector.get("/docs").status_code == 200


# Batches


def test_a_bad_event_is_refused_alone_and_kept_with_its_reason(
    collector: Collector,
) -> None:
    bad = {"type": "track", "event": "E", "userId": [1]}
    answer = collector.post("/v1/batch", {"batch": [EVENT, bad, 7, EVENT]})
    assert answer.status_code == 200
    first, second, third, fourth = answer.json()["results"]
    assert (first["status"], fourth["status"]) == ("accepted", "accepted")
    assert second == {
        "index": 1,
        "status": "rejected",
        "code": "invalid_event",
        "errors": [{"path": "userId", "reason": "must be text or a number"}],
    }
    assert third["errors"][0]["reason"] == "must be an object"
    assert len(collector.landed()) == 2
    rejects = collector.landed("rejects")
    assert [(each["item"], each["path"]) for each in rejects] == [
        (1, "userId"),
        (2, None),
    ]
    assert json.loads(rejects[0]["raw"]) == bad
    assert rejects[0]["endpoint"] == "/v1/batch"
    assert rejects[0]["source_id"] == "web_shop"


def test_a_repeat_in_one_request_is_a_duplicate_and_a_conflict_is_not(
    collector: Collector,
) -> None:
    call = {"type": "track", "event": "E", "messageId": "m"}
    again = {**call, "sentAt": "2026-01-31T12:00:00Z"}
    other = {**call, "event": "F"}
    answer = collector.post("/v1/batch", [call, again, other])
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["accepted", "duplicate", "accepted"]
    assert [row["name"] for row in collector.landed()] == ["E", "F"]


def test_what_was_received_can_be_added_up_from_what_landed(
    collector: Collector,
) -> None:
    def call(message_id: str, **more: Any) -> dict[str, Any]:
        return {"type": "track", "event": "E", "messageId": message_id, **more}

    received = [call("a"), call("a"), call("b"), call("a"), call("a", event="F"), 7]
    received += [call("b"), call("c", userId=[])]
    statuses: list[str] = []
    for _ in range(2):
        answer = collector.post("/v1/batch", received).json()
        statuses += [each["status"] for each in answer["results"]]
    events, rejects = collector.landed(), collector.landed("rejects")
    flags = [flag for row in events for flag in row["flags"]]
    repeats = [int(flag.removeprefix(REPEATS)) for flag in flags]
    assert repeats == [2, 1, 2, 1]
    assert len(events) == statuses.count("accepted") == 6
    assert sum(repeats) == statuses.count("duplicate")
    assert len(events) + sum(repeats) + len(rejects) == 2 * len(received)


def test_equal_events_without_ids_are_two_events(collector: Collector) -> None:
    event = {**EVENT, "timestamp": "2026-01-31T12:00:00Z"}
    collector.post("/v1/batch", [event, event])
    assert len({row["event_id"] for row in collector.landed()}) == 2


def test_an_idempotency_key_counts_the_events_of_a_batch(collector: Collector) -> None:
    for _ in range(2):
        collector.post("/v1/batch", [EVENT, EVENT], Idempotency_Key="k")
    ids = [row["event_id"] for row in collector.landed()]
    assert ids == ["k:0", "k:1", "k:0", "k:1"]


def test_a_single_call_takes_its_id_from_the_idempotency_key(
    collector: Collector,
) -> None:
    answer = collector.post("/ingest", EVENT, Idempotency_Key="k")
    assert answer.json()["event_id"] == "k"


@pytest.mark.parametrize("body", [{}, {"batch": 1}, 5, "text", None])
def test_what_is_no_batch_is_refused_whole(collector: Collector, body: Any) -> None:
    answer = collector.post("/v1/batch", body)
    assert answer.status_code == 400
    assert code(answer) == "invalid_batch"
    assert json.loads(collector.landed("rejects")[0]["raw"]) == body


# Keys


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "KEY"},
        {"authorization": "Bearer KEY"},
        {"authorization": "Basic S0VZOg=="},
    ],
)
def test_a_key_may_come_in_any_header(
    collector: Collector, headers: dict[str, str]
) -> None:
    answer = collector.send("POST", "/ingest", json=EVENT, headers=headers)
    assert answer.status_code == 200


def test_a_key_may_come_in_the_body(collector: Collector) -> None:
    body = {"batch": [EVENT], "writeKey": "KEY"}
    assert collector.send("POST", "/v1/batch", json=body).status_code == 200
    body = {**EVENT, "writeKey": "KEY"}
    assert collector.send("POST", "/ingest", json=body).status_code == 200
    assert b"KEY" not in b"".join(p.read_bytes() for p in collector.root.rglob("*.*"))


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "WRONG"}])
def test_nobody_gets_in_without_a_key_and_nothing_of_theirs_is_kept(
    collector: Collector, headers: dict[str, str]
) -> None:
    for content in (b'{"event": "x"}', b"[]"):
        answer = collector.send("POST", "/ingest", content=content, headers=headers)
        assert answer.status_code == 401
        assert code(answer) == "unauthorized"
    assert collector.send("POST", "/ingest", content=b"{").status_code == 400
    assert collector.landed() == collector.landed("rejects") == []


def test_a_browsers_key_is_good_for_its_origin_only(collector: Collector) -> None:
    given = {"X_API_Key": "BROWSER", "User_Agent": "Firefox"}
    allowed = collector.post("/ingest", EVENT, Origin="https://shop.example", **given)
    assert allowed.status_code == 200
    (row,) = collector.landed()
    assert row["channel"] == "client"
    assert row["context"] == {"userAgent": "Firefox"}
    for origin in ({"Origin": "https://evil.example"}, {}):
        answer = collector.post("/ingest", EVENT, **origin, **given)
        assert answer.status_code == 403
        assert code(answer) == "forbidden"


# Bodies


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", ""],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_json_is_known_by_its_content(
    collector: Collector, content_type: str, zipped: bool
) -> None:
    content = json.dumps({**EVENT, "customer_id": "Zoë"}).encode()
    answer = collector.post(
        "/ingest",
        gzip.compress(content) if zipped else content,
        Content_Type=content_type,
    )
    assert answer.status_code == 200
    assert collector.landed()[0]["identifiers"][0]["value"] == "Zoë"


def test_gzip_in_parts_is_one_body(collector: Collector) -> None:
    content = json.dumps(EVENT).encode()
    parts = gzip.compress(content[:10]) + gzip.compress(content[10:]) + b"\0\0"
    assert collector.post("/ingest", parts).status_code == 200


def test_a_byte_order_mark_is_forgiven(collector: Collector) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(EVENT).encode()
    assert collector.post("/ingest", content).status_code == 200


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "invalid_json"),
        (b"event=x", "invalid_json"),
        (b'{"event": "x"', "invalid_json"),
        (b'{"event": "\xff"}', "invalid_json"),
        (b'{"event": "\\ud800"}', "invalid_json"),
        (b'{"event": "x", "properties": {"a": NaN}}', "invalid_json"),
        (b'{"event": "x", "properties": {"a": 1e400}}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"1", "invalid_event"),
        (b"null", "invalid_event"),
        (gzip.compress(b'{"event": "x"}', mtime=0)[:-4], "invalid_gzip"),
        (b"\x1f\x8bnot gzip at all", "invalid_gzip"),
    ],
)
@pytest.mark.parametrize("path", ["/ingest", "/v1/batch"])
def test_a_hostile_body_is_refused_clearly_and_kept(
    collector: Collector, content: bytes, expected: str, path: str
) -> None:
    answer = collector.post(path, content)
    assert answer.status_code == 400
    if path == "/v1/batch" and expected == "invalid_event":
        expected = "invalid_batch"
    assert code(answer) == expected
    assert len(collector.landed("rejects")) == 1
    assert collector.landed() == []


@pytest.mark.parametrize("flaw", [b"NaN", b"1e400", b'"\\ud800"', b'"\xff"', b"9" * 30])
def test_one_events_broken_value_does_not_cost_its_batch(
    collector: Collector, flaw: bytes
) -> None:
    bad = b'{"event": "bad", "properties": {"a": ' + flaw + b"}}"
    good = b'{"event": "good", "messageId": "g"}'
    broken = b'{"event": "other", "properties": {"a": Infinity}}'
    answer = collector.post("/v1/batch", b"[" + b",".join([bad, good, broken]) + b"]")
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["rejected", "accepted", "rejected"]
    assert [row["name"] for row in collector.landed()] == ["good"]
    assert {each["code"] for each in collector.landed("rejects")} == {"invalid_json"}


def test_an_event_nested_deeper_than_any_encoder_goes_is_refused_alone(
    collector: Collector,
) -> None:
    deep = b'{"event": "deep", "a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    answer = collector.post("/v1/batch", b"[" + deep + b', {"event": "good"}]')
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["rejected", "accepted"]
    (kept,) = collector.landed("rejects")
    assert kept["code"] == "too_deep"
    assert "cut off here" in kept["raw"]


# Limits


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth - 2):
        value = [value]
    return {**EVENT, "properties": {"a": value}}


def test_depth_and_keys_have_limits(collector: Collector) -> None:
    assert collector.post("/ingest", nested(16)).status_code == 200
    assert code(collector.post("/ingest", nested(17))) == "too_deep"
    keys = {str(n): n for n in range(512 - 3)}
    assert collector.post("/ingest", {**EVENT, "properties": keys}).status_code == 200
    answer = collector.post("/ingest", {**EVENT, "properties": {**keys, "one": 1}})
    assert code(answer) == "too_many_keys"


def test_an_event_has_a_size_limit_alone_and_in_a_batch(collector: Collector) -> None:
    fits = {"event": "x", "properties": {"a": "x" * 32_000}}
    large = {"event": "x", "properties": {"a": "x" * 33_000}}
    assert collector.post("/ingest", fits).status_code == 200
    answer = collector.post("/ingest", large)
    assert answer.status_code == 413
    assert code(answer) == "too_large"
    answer = collector.post("/v1/batch", [fits, large])
    assert answer.status_code == 200
    assert answer.json()["results"][1]["code"] == "too_large"


def test_a_batch_has_a_limit_of_events(collector: Collector) -> None:
    answer = collector.post("/v1/batch", [1] * 2_501)
    assert answer.status_code == 413
    assert code(answer) == "too_large"
    assert collector.post("/v1/batch", [1] * 2_500).status_code == 200


@pytest.mark.parametrize("zipped", [True, False])
def test_a_body_has_a_size_limit_zipped_or_not(
    collector: Collector, zipped: bool
) -> None:
    content = b" " * 10_000_000 + b"[]"
    answer = collector.post("/v1/batch", gzip.compress(content) if zipped else content)
    assert answer.status_code == 413
    assert code(answer) == "too_large"
    (kept,) = collector.landed("rejects")
    assert kept["encoding"] == ("base64" if zipped else "utf-8")
    assert len(kept["raw"]) <= Limits().batch_bytes


def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    with Collector(tmp_path, limits=Limits(body_seconds=0.2)) as collector:
        answer = collector.send(
            "POST", "/ingest", content=drip(), headers={"X-API-Key": "KEY"}
        )
        assert answer.status_code == 408
        assert code(answer) == "timeout"
        assert collector.landed("rejects")[0]["code"] == "timeout"


# When no more can be taken


class HeldDisk(Disk):
    """Does not finish a sync until it is released."""

    def __init__(self) -> None:
        self.syncing, self.released = threading.Event(), threading.Event()

    def sync(self, fd: int) -> None:
        self.syncing.set()
        assert self.released.wait(30)


class FullDisk(Disk):
    """Has no room while it is full."""

    is_full = True

    def write(self, fd: int, data: bytes) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().write(fd, data)


def test_a_full_queue_asks_to_come_back(tmp_path: Path) -> None:
    disk = HeldDisk()
    collector = Collector(tmp_path, disk=disk, queue_limit=100)
    with collector:
        first = threading.Thread(target=collector.post, args=("/ingest", EVENT))
        first.start()
        assert disk.syncing.wait(10)
        answer = collector.post("/ingest", EVENT)
        assert answer.status_code == 429
        assert code(answer) == "busy"
        assert int(answer.headers["retry-after"]) >= 1
        disk.released.set()
        first.join()
        assert collector.post("/ingest", EVENT).status_code == 200
    assert len(collector.landed()) == 2


def test_a_full_disk_is_a_503_until_there_is_room(tmp_path: Path) -> None:
    disk = FullDisk()
    collector = Collector(tmp_path, disk=disk)
    with collector:
        assert collector.get("/readyz").status_code == 200
        for path, body in (("/ingest", EVENT), ("/ingest", {}), ("/batch", [EVENT])):
            answer = collector.post(path, body)
            assert answer.status_code == 503
            assert code(answer) == "unavailable"
            assert int(answer.headers["retry-after"]) >= 1
        assert collector.get("/readyz").status_code == 503
        assert collector.get("/healthz").status_code == 200
        disk.is_full = False
        assert collector.post("/ingest", EVENT).status_code == 200
        assert collector.get("/readyz").status_code == 200
    assert len(collector.landed()) == 1
