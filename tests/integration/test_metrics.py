"""Several workers count together: whichever answers knows what all of them did, and passes on what is told of deliveries."""

from pathlib import Path

import httpx

from ingestion.collector.keys import KeyStore
from ingestion.collector.metrics import deliveries_file
from ingestion.collector.server import running
from ingestion.settings import Settings


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
        told = 'millrace_deliveries{sync="to_tool",outcome="delivered"} 3.0'
        left = deliveries_file(Settings(home=tmp_path).published)
        left.parent.mkdir()
        left.write_text(f"{told}\n")
        assert told in httpx.get(f"{url}/metrics").text.splitlines()
