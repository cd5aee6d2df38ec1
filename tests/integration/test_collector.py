"""The collector as a real process: what is answered is landed, whoever is killed; what is stopped is sealed."""

import concurrent.futures
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running, started
from ingestion.landing import read_tail, recover, sealed_segments


@pytest.fixture
def home(tmp_path: Path) -> Path:
    KeyStore(tmp_path / "keys.json").import_text("KEY", "web_shop", ("integration",))
    return tmp_path


def ids_landed(home: Path) -> list[str]:
    tail = read_tail(home / "landing", "events", set())
    return [each["event_id"] for each in tail]


def batch(ids: list[str]) -> bytes:
    events = [{"type": "track", "event": "E", "messageId": each} for each in ids]
    return json.dumps({"batch": events}).encode()


def client(**options: Any) -> httpx.Client:
    return httpx.Client(headers={"X-API-Key": "KEY"}, **options)


def send_until_it_dies(url: str, lane: int, acknowledged: list[str]) -> None:
    """Send batches one after the other, noting the ids that were acknowledged."""
    with client(base_url=url) as http:
        for n in range(10**6):
            ids = [f"{lane}-{n}-{part}" for part in range(3)]
            try:
                answer = http.post("/v1/batch", content=batch(ids))
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            acknowledged += ids


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_stopped_is_sealed(home: Path, workers: int) -> None:
    ids = [str(n) for n in range(40)]
    fresh = httpx.Limits(max_keepalive_connections=0)  # so that every worker gets some
    with running(home, workers=workers) as url, client(limits=fresh) as http:
        for each in ids:
            http.post(f"{url}/batch", content=batch([each])).raise_for_status()
    assert list((home / "landing").glob("*/open/*")) == []
    assert sealed_segments(home / "landing", "events")
    assert sorted(ids_landed(home), key=int) == ids


def kill_under_load(home: Path, seed: int) -> None:
    acknowledged: list[str] = []
    with (
        started(home) as (url, process),
        concurrent.futures.ThreadPoolExecutor(4) as lanes,
    ):
        sending = [
            lanes.submit(send_until_it_dies, url, lane, acknowledged)
            for lane in range(4)
        ]
        while not acknowledged:
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0, 0.5))
        process.kill()
        for lane in sending:
            lane.result()
    recover(home / "landing")
    assert set(acknowledged) <= set(ids_landed(home))


@pytest.mark.parametrize("seed", range(3))
def test_killed_under_load_it_loses_nothing_it_acknowledged(
    home: Path, seed: int
) -> None:
    kill_under_load(home, seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 125))
def test_twenty_five_kills_under_load_lose_nothing_acknowledged(
    home: Path, seed: int
) -> None:
    """That a kill alone can't tell a synced file from an unsynced one is seen to in test_landing_crash."""
    kill_under_load(home, seed)


def workers_of(pid: int) -> list[int]:
    """The processes that serve, among the children of the one that was started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def send_in_spite_of_all(url: str, lane: int, acknowledged: list[str]) -> None:
    """Send batches, each on a connection of its own, passing over those that were not answered."""
    fresh = httpx.Limits(max_keepalive_connections=0)
    with client(base_url=url, limits=fresh) as http:
        for n in range(60):
            ids = [f"{lane}-{n}-{part}" for part in range(3)]
            try:
                answer = http.post("/v1/batch", content=batch(ids))
            except httpx.TransportError:
                continue
            assert answer.status_code == 200
            acknowledged += ids


def test_a_worker_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(
    home: Path,
) -> None:
    acknowledged: list[str] = []
    with (
        started(home, workers=2) as (url, process),
        concurrent.futures.ThreadPoolExecutor(3) as lanes,
    ):
        until(lambda: len(workers_of(process.pid)) == 2)
        first, _ = workers_of(process.pid)
        sending = [
            lanes.submit(send_in_spite_of_all, url, lane, acknowledged)
            for lane in range(3)
        ]
        until(lambda: len(acknowledged) > 50)
        os.kill(first, signal.SIGKILL)
        for lane in sending:
            lane.result()
        until(lambda: len(workers_of(process.pid)) == 2)
        assert first not in workers_of(process.pid)
    recover(home / "landing")
    assert len(acknowledged) > 300
    assert set(acknowledged) <= set(ids_landed(home))


def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


def test_started_again_it_recovers_what_was_open(home: Path) -> None:
    with started(home) as (url, process), client() as http:
        http.post(f"{url}/batch", content=batch(["1"])).raise_for_status()
        process.kill()
        process.wait()
    assert sealed_segments(home / "landing") == []
    with running(home):
        assert len(sealed_segments(home / "landing")) == 1
    assert ids_landed(home) == ["1"]


def test_a_second_collector_beside_a_live_one_disturbs_nothing(home: Path) -> None:
    with running(home) as first, client() as http:
        http.post(f"{first}/batch", content=batch(["1"])).raise_for_status()
        with running(home) as second:
            http.post(f"{second}/batch", content=batch(["2"])).raise_for_status()
            http.post(f"{first}/batch", content=batch(["3"])).raise_for_status()
        http.post(f"{first}/batch", content=batch(["4"])).raise_for_status()
    assert sorted(ids_landed(home)) == ["1", "2", "3", "4"]


def test_a_key_made_while_it_runs_is_good_within_seconds(home: Path) -> None:
    with running(home) as url:
        text, key = KeyStore(home / "keys.json").create("late", ("batch",))
        assert until_status(url, text, 200)
        KeyStore(home / "keys.json").revoke(key.key_id)
        assert until_status(url, text, 401)


def test_a_large_body_is_answered_although_it_was_not_read(home: Path) -> None:
    with running(home) as url, client(base_url=url) as http:
        answer = http.post("/batch", content=b"x" * 10_000_000)
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"
        assert http.get("/readyz").status_code == 200


def test_a_client_that_hangs_up_leaves_nothing_behind(home: Path) -> None:
    with running(home) as url:
        where = urlsplit(url)
        address = str(where.hostname), int(where.port or 0)
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /batch HTTP/1.1\r\nHost: door\r\nX-API-Key: KEY\r\n"
                b"Content-Length: 1000\r\n\r\n[{"
            )
        with client() as http:
            http.post(f"{url}/batch", content=batch(["1"])).raise_for_status()
    assert ids_landed(home) == ["1"]


def until_status(url: str, key: str, wanted: int) -> bool:
    with httpx.Client(headers={"X-API-Key": key}) as http:
        for _ in range(50):
            if http.post(f"{url}/batch", content=b"[]").status_code == wanted:
                return True
            time.sleep(0.1)
    return False
