"""Several workers count together: whichever answers knows what all of them did."""

from pathlib import Path

import httpx

from ingestion.collector.keys import KeyStore
from ingestion.collector.server import running


def test_any_worker_answers_for_all(tmp_path: Path) -> None:
    KeyStore(tmp_path / "keys.json").import_text("KEY", "shop", ("integration",))
    with running(tmp_path, workers=2) as url:
        for _ in range(30):  # a connection each, so that both workers get some
            answer = httpx.post(
                f"{url}/ingest", json={"event": "E"}, headers={"X-API-Key": "KEY"}
            )
            assert answer.status_code == 200
        for _ in range(5):
            text = httpx.get(f"{url}/metrics").text
            accepted = 'millrace_events_total{outcome="accepted",source="shop"} 30.0'
            assert accepted in text.splitlines()
