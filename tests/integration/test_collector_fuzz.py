"""Whatever the door accepts loads in DuckDB's strict mode, with the values that were sent."""

import gzip
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestion.collector.app import BATCH_PATHS, SINGLE_PATHS, SPEC_PATHS
from ingestion.collector.intake import Intake, take_batch
from ingestion.collector.limits import Limits
from ingestion.collector.parsing import parse
from ingestion.collector.webhooks import WebhookSource
from ingestion.connectors import load_sources
from ingestion.contracts.refusals import Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.triggers import load_triggers
from ingestion.front_door import webhook_sources
from ingestion.landing import new_record_id
from ingestion.settings import PROJECT_ROOT, Settings
from tests.unit.test_collector import Collector

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORIGIN = Origin(
    source_id="fuzz", received_at=NOW, channel="server", endpoint="/v1/batch"
)

text = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\0\ud800\u2028\"'\\\n{}"),
    max_size=12,
)
numbers = st.integers() | st.integers(-(2**70), 2**70) | st.floats()
scalars = st.none() | st.booleans() | numbers | text
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(text, values, max_size=4)
moments = st.sampled_from(
    [
        "2026-01-31T11:00:00Z",
        "2026-01-31 11:00",
        1769860800,
        1769860800000.5,
        "0001-01-01",
    ]
)


def mostly(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What belongs there, and now and then something that doesn't."""
    return st.integers(0, 24).flatmap(lambda n: values if n == 24 else likely)


calls = st.fixed_dictionaries(
    {"type": mostly(st.sampled_from(["track", "identify", "page", "alias", "group"]))},
    optional={
        "event": mostly(text),
        "name": mostly(text),
        "messageId": mostly(text),
        "userId": mostly(text | st.integers()),
        "anonymousId": mostly(text),
        "timestamp": mostly(moments),
        "sentAt": mostly(moments),
        "properties": mostly(objects),
        "traits": mostly(st.fixed_dictionaries({}, optional={"email": values})),
        "context": mostly(objects),
        "consent": mostly(objects),
        "surprise": values,
    },
)


def column_types(stream: str) -> dict[str, str]:
    path = PROJECT_ROOT / "dbt_project" / "models" / "staging" / "_sources.yml"
    tables = yaml.safe_load(path.read_text())["sources"][0]["tables"]
    (found,) = (table for table in tables if table["name"] == stream)
    return {
        column["name"]: column["data_type"]
        for column in found["columns"]
        if not column["name"].startswith("_")
    }


TYPES = column_types("events")
JSON_COLUMNS = [name for name, kind in TYPES.items() if kind == "json"]


def strictly_loaded(
    lines: list[bytes], types: dict[str, str] = TYPES
) -> list[dict[str, Any]]:
    """The rows as the warehouse reads them; any line it can't read is an error."""
    declared = ", ".join(f"{name}: '{kind}'" for name, kind in types.items())
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as file, duckdb.connect() as db:
        file.write(b"".join(lines))
        file.flush()
        result = db.execute(
            f"select * from read_json('{file.name}', format = 'newline_delimited', "
            f"columns = {{{declared}}}) order by record_id"
        )
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def take(body: bytes) -> Intake | None:
    """What the door makes of a body; None if it refuses the whole."""
    try:
        value, _ = parse(body)
        return take_batch(value, ORIGIN, Limits())
    except Refused:
        return None


def same(sent: Any, found: Any) -> bool:
    """Equal as JSON: numbers by value as doubles where they are no exact integers, types as they were."""
    if isinstance(sent, dict) and isinstance(found, dict):
        return sent.keys() == found.keys() and all(
            same(sent[k], found[k]) for k in sent
        )
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(map(same, sent, found))
    if isinstance(sent, bool) or isinstance(found, bool):
        return bool(sent is found)
    if isinstance(sent, int) and not -(2**63) <= sent < 2**64:
        return bool(float(sent) == found)
    return bool(sent == found)


def check(body: bytes) -> None:
    intake = take(body)
    if intake is None:
        return
    sent = json.loads(body.decode("utf-8-sig", "surrogateescape"))
    accepted = [each for each in intake.results if each["status"] == "accepted"]
    events = [each for each in intake.records if each.stream == "events"]
    assert len(events) == len(accepted)
    assert len(intake.results) == len(sent)
    lines = [each.to_line(each.record_id or new_record_id()) for each in events]
    if not lines:
        return
    for result, row, line in zip(accepted, strictly_loaded(lines), lines, strict=True):
        call = sent[result["index"]]
        assert row["event_id"] == result["event_id"]
        landed = json.loads(line)
        for name in JSON_COLUMNS:
            loaded = row[name] and json.loads(row[name])
            assert same(landed[name], loaded), name
        if not isinstance(call.get("event"), dict):
            assert same(call.get("properties"), landed["properties"])
        for name in ("name", "type", "channel", "shape", "flags", "identifiers"):
            assert row[name] == landed[name], name
        for name in ("occurred_at", "sent_at", "original_timestamp"):
            moment = landed[name] and datetime.fromisoformat(landed[name])
            assert row[name] == (moment and moment.replace(tzinfo=None)), name


fuzzed = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck)
)


@fuzzed
@given(st.lists(calls, max_size=5), st.booleans())
@example(
    [{"type": "track", "event": "a\0b", "properties": {"\0": "\0", "": None}}], True
)
@example([{"type": "track", "event": "x", "userId": "\ud800"}], True)
@example([{"type": "identify", "traits": {"a": float("nan")}}], True)
@example(
    [{"type": "identify", "traits": {"a": 10**40, "b": -(2**63), "c": 5e-324}}], True
)
def test_calls_made_of_anything_load_as_they_were_sent(
    batch: list[Any], escaped: bool
) -> None:
    dumped = json.dumps(batch, ensure_ascii=escaped)
    check(dumped.encode("utf-8", "surrogatepass"))


@fuzzed
@given(st.lists(calls, min_size=1, max_size=2), st.data())
def test_bodies_that_were_damaged_on_the_way_are_refused_or_load(
    batch: list[Any], data: st.DataObject
) -> None:
    body = bytearray(json.dumps(batch).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\u", b"e999", b"NaN"])
        )
        if not body:
            return
    check(bytes(body))


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b'[{"event":"x","properties":{"a":1,"a":2}}]', {"a": 2}),
        (b'[{"event":"x","properties":{"a":-0.0}}]', {"a": -0.0}),
        (b'[{"event":"x","properties":{"a":18446744073709551615}}]', {"a": 2**64 - 1}),
        (b'[{"event":"x","event":"x","properties":{"":""}}]', {"": ""}),
        (b'\xef\xbb\xbf[{"event":"x","properties":{"a":"\\u0000"}}]', {"a": "\0"}),
        (b'[{"event":"x","properties":{"a":"\\ud83d\\ude00"}}]', {"a": "😀"}),
    ],
)
def test_curious_but_valid_json_is_accepted_and_loads(
    body: bytes, properties: dict[str, Any]
) -> None:
    check(body)
    intake = take(body)
    assert intake is not None
    (event,) = intake.records
    (row,) = strictly_loaded([event.to_line(new_record_id())])
    assert json.loads(row["properties"]) == properties


# Over HTTP: whatever is sent, wherever to

TRIGGER_CALL = {"version": "1.0", "userId": "u", "properties": {"score": 9}}
PATHS = [
    *SINGLE_PATHS,
    *BATCH_PATHS,
    *SPEC_PATHS,
    *("/triggers/nps_submitted", "/triggers/%00", "/webhooks/brevo", "/webhooks/%ff"),
    *("/webhooks/survey_tool", "/tenants/x/webhooks/y", "/v1/projects/K/settings"),
]
CONTENT_TYPES = ["application/json", "text/plain", "application/x-www-form-urlencoded"]
ANSWERS = {200, 400, 401, 404, 405, 413}
HEADERS = ["X-API-Key", "Idempotency-Key", "User-Agent", "Content-Encoding", "Origin"]

json_bodies = st.one_of(
    calls,
    st.lists(calls, max_size=3),
    st.fixed_dictionaries({"batch": st.lists(calls, max_size=3), "sentAt": values}),
    st.just(TRIGGER_CALL),
    st.fixed_dictionaries({"event": text, "email": text, "answers": values}),
    values,
)
bodies = st.one_of(
    json_bodies.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    json_bodies.map(
        lambda value: (
            b"data="
            + quote(json.dumps(value).encode("utf-8", "surrogatepass")).encode()
        )
    ),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """With a webhook that a token opens and one that nothing opens."""
    sources = webhook_sources(load_sources(PROJECT_ROOT / "sources" / "examples"))
    webhooks = {
        name: WebhookSource(name, sources[name].webhook, "secret")
        for name in ("brevo", "survey_tool")
    }
    home = tmp_path_factory.mktemp("fuzz")
    triggers = load_triggers(Settings().triggers_dir)
    with Collector(home, triggers=triggers, webhooks=webhooks) as made:
        yield made


def sent(collector: Collector, path: str, body: bytes, headers: Any) -> None:
    answer = collector.send("POST", path, content=body, headers=headers)
    assert answer.status_code in ANSWERS, answer.text
    told = answer.json()
    if answer.status_code != 200:
        assert set(told) == {"code", "message", "errors"}
    for result in told.get("results", ()):
        assert result["status"] in ("accepted", "duplicate", "rejected", "ignored")


@fuzzed
@given(
    st.sampled_from(PATHS),
    bodies,
    st.sampled_from(["no", "zipped", "torn"]),
    st.dictionaries(st.sampled_from(HEADERS), st.binary(max_size=20), max_size=2),
    st.sampled_from(CONTENT_TYPES),
)
def test_whatever_is_sent_wherever_to_is_answered_clearly(
    collector: Collector,
    path: str,
    body: bytes,
    zipped: str,
    odd: dict[str, bytes],
    content_type: str,
) -> None:
    if zipped != "no":
        body = gzip.compress(body)
    if zipped == "torn":
        body = body[: len(body) // 2]
    known = {"X-API-Key": b"KEY", "Authorization": b"Bearer secret"}
    headers = {**known, "Content-Type": content_type.encode(), **odd}
    named = [(name.encode(), value.strip()) for name, value in headers.items()]
    sent(collector, path, body, named)


def test_everything_that_landed_meanwhile_loads_as_it_stands(
    collector: Collector,
) -> None:
    """Whatever the test before brought in, and a few things that it may not have."""
    key = {"X-API-Key": "KEY"}
    for path in (*SINGLE_PATHS, *SPEC_PATHS, "/triggers/nps_submitted"):
        call = {**TRIGGER_CALL, "event": "E\0\u2028", "context": {"\0": [None, 1e300]}}
        sent(collector, path, json.dumps(call).encode(), key)
    for path in BATCH_PATHS:
        sent(collector, path, json.dumps([{"event": "E"}, 7, {}]).encode(), key)
        sent(collector, path, b"\xff\xfe{", key)
    for stream in ("events", "rejects"):
        types = column_types(stream)
        rows = sorted(collector.landed(stream), key=lambda row: row["record_id"])
        raw = b"".join(
            path.read_bytes() for path in collector.root.glob(f"{stream}/*/*.ndjson")
        )
        assert raw.count(b"\n") == len(rows) > 10
        for landed, loaded in zip(rows, strictly_loaded([raw], types), strict=True):
            for name, kind in types.items():
                if kind == "json":
                    found = loaded[name] and json.loads(loaded[name])
                    assert same(landed[name], found), name
                elif kind == "varchar":
                    assert landed[name] == loaded[name], name
