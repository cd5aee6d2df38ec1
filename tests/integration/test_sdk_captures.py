"""Requests that real SDKs sent, retries and all, replayed byte for byte: stored is what their README says."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running
from ingestion.landing import read_tail
from tests.conftest import ACCEPTANCE

pytestmark = pytest.mark.acceptance

FOLDER = "1-sdk-captures"
CAPTURES = sorted(path.name for path in (ACCEPTANCE / FOLDER).glob("*.jsonl"))
SOURCES = {
    "WRITE_KEY_PY": "sdk_segment_python",
    "WRITE_KEY_NODE": "sdk_segment_node",
    "WRITE_KEY_RS": "sdk_rudder_python",
}
EXPECTED = {
    "retry_": 3,
    "no_retry_": 3,
    "exhaust_500": 1,
    "status_": 1,
    "json400_nocode": 1,
    "redirect_302": 1,
    "sync": 2,
    "batch250": 250,
    "story": 8,
}
"""Distinct events by the beginning of the scenario's name, as the captures' README has it."""

MORE_THAN_THE_README_SAYS = {
    "segment-node.status_202.jsonl": 3,
    "segment-node.status_204.jsonl": 3,
}
"""Its 1 for `status_*` is true of the Python SDKs; these requests hold three calls with an id each."""

HOP_BY_HOP = {"host", "content-length", "connection", "transfer-encoding"}


@pytest.fixture(scope="module")
def collector(
    acceptance_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Path]]:
    home = tmp_path_factory.mktemp("captures")
    for key, source in SOURCES.items():
        KeyStore(home / "keys.json").import_text(key, source, ("integration",))
    with running(home) as url, httpx.Client(base_url=url) as http:
        yield http, home


def requests_of(folder: Path, capture: str) -> list[dict[str, Any]]:
    lines = (folder / FOLDER / capture).read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["method"] == "POST"]


def expected(capture: str) -> int:
    scenario = capture.split(".")[1]
    (count,) = (n for name, n in EXPECTED.items() if scenario.startswith(name))
    return MORE_THAN_THE_README_SAYS.get(capture, count)


def replay(http: httpx.Client, request: dict[str, Any]) -> httpx.Response:
    headers = [
        (name, value)
        for name, value in request["headers"]
        if name.lower() not in HOP_BY_HOP
    ]
    body = base64.b64decode(request["raw_base64"])
    return http.post(request["path"], content=body, headers=headers)


def landed(home: Path, known: set[str]) -> list[dict[str, Any]]:
    tail = read_tail(home / "landing", "events", set())
    return [row for row in tail if row["record_id"] not in known]


def test_there_are_captures_to_replay(acceptance_dir: Path) -> None:
    assert len(CAPTURES) == 39


@pytest.mark.parametrize("capture", CAPTURES or ["none found"])
def test_a_replayed_capture_stores_each_event_once_by_its_id(
    acceptance_dir: Path, collector: tuple[httpx.Client, Path], capture: str
) -> None:
    http, home = collector
    known = {row["record_id"] for row in landed(home, set())}
    for request in requests_of(acceptance_dir, capture):
        answer = replay(http, request)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert {each["status"] for each in answer.json()["results"]} == {"accepted"}
    rows = landed(home, known)
    assert len({(row["source_id"], row["event_id"]) for row in rows}) == expected(
        capture
    )
    assert {row["source_id"] for row in rows} <= set(SOURCES.values())


@pytest.mark.parametrize(
    "capture", [name for name in CAPTURES if "story" in name] or ["none found"]
)
def test_the_story_is_told_in_full(
    acceptance_dir: Path, collector: tuple[httpx.Client, Path], capture: str
) -> None:
    http, home = collector
    known = {row["record_id"] for row in landed(home, set())}
    for request in requests_of(acceptance_dir, capture):
        replay(http, request)
    rows = landed(home, known)
    assert Counter(row["type"] for row in rows) == {
        "page": 1,
        "track": 3,
        "identify": 1,
        "group": 1,
        "alias": 1,
        "screen": 1,
    }
    (identify,) = (row for row in rows if row["type"] == "identify")
    assert identify["traits"]["name"] == "Ada Lovelace é 日本 😀"
    ids = {(each["type"], each["value"]) for each in identify["identifiers"]}
    assert ids == {
        ("user_id", "u-1"),
        ("anonymous_id", "anon-1"),
        ("email", "Ada.Lovelace+shop@Example.COM"),
        ("phone", "+44 20 7946 0958"),
    }
    (alias,) = (row for row in rows if row["type"] == "alias")
    assert {"type": "previous_id", "value": "anon-1"} in alias["identifiers"]
    assert not any("unknown_field" in row["flags"] for row in rows)
