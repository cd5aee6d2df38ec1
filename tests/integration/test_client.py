"""The client against a real collector that is killed while it sends."""

import socket
import threading
from pathlib import Path

from ingestion.client import Client
from ingestion.collector.keys import KeyStore
from ingestion.collector.server import started
from ingestion.landing import read_tail

EVENTS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_event_arrives_although_the_collector_is_killed_in_the_middle(
    tmp_path: Path,
) -> None:
    KeyStore(tmp_path / "keys.json").import_text("KEY", "shop", ("integration",))
    port, halfway, sent = free_port(), threading.Event(), list[str]()

    def send() -> None:
        with Client(f"http://127.0.0.1:{port}", "KEY", timeout=5) as client:
            for number in range(EVENTS):
                answer = client.track("E", userId="u", properties={"n": number})
                sent.append(answer.body["event_id"])
                if number == EVENTS // 2:
                    halfway.set()
            score = {"score": 9}
            client.trigger("nps_submitted", "1.0", userId="u", properties=score)
            results = client.send_batch([{"event": "F", "userId": "u"}] * 3)
            sent.extend(each["event_id"] for each in results)

    sender = threading.Thread(target=send)
    with started(tmp_path, port) as (_, process):
        sender.start()
        assert halfway.wait(60)
        process.kill()
        process.wait()
    with started(tmp_path, port):
        sender.join(60)
        assert not sender.is_alive()
    landed = list(read_tail(tmp_path / "landing", "events", set()))
    assert len(sent) == len(set(sent)) == EVENTS + 3
    assert set(sent) < {row["event_id"] for row in landed}
    numbers = {(row["properties"] or {}).get("n") for row in landed}
    assert numbers >= set(range(EVENTS))
    assert "trigger/nps_submitted" in {row["contract"] for row in landed}
