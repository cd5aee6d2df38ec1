"""Sending calls to a collector over HTTP: in batches per source, in order of arrival, until each is answered."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import httpx

from simulator.calls import Call

BATCH = 200
PATIENCE = 60.0
"""Seconds to wait for a collector that says it is busy."""


class NotAccepted(Exception):  # noqa: N818 - says what happened
    """The collector refused a whole request; the message says what it answered."""


@dataclass
class Sent:
    """How many calls got which answer: accepted, duplicate or rejected; and the reasons of the rejected."""

    answers: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)


def send(
    calls: Sequence[Call],
    collector: str,
    keys: Mapping[str, str],
    *,
    progress: bool = False,
) -> Sent:
    """Send `calls` in their order, each batch under its source's key. Raises NotAccepted."""
    sent, done = Sent(), 0
    told = time.monotonic()
    with httpx.Client(base_url=collector, timeout=30) as client:
        for source_id, batch in _batches(calls):
            _send_batch(client, keys[source_id], batch, sent)
            done += len(batch)
            if progress and (time.monotonic() - told > 2 or done == len(calls)):
                told = time.monotonic()
                print(
                    f"  sent {done:,} of {len(calls):,} events",
                    file=sys.stderr,
                    flush=True,
                )
    return sent


def _batches(calls: Sequence[Call]) -> Iterator[tuple[str, list[Call]]]:
    """Stretches of what arrives, split by source: sources interleave as they do in life."""
    for start in range(0, len(calls), BATCH):
        stretch = sorted(calls[start : start + BATCH], key=_source)
        for source_id, batch in groupby(stretch, key=_source):
            yield source_id, list(batch)


def _source(call: Call) -> str:
    return call.source_id


def _send_batch(
    client: httpx.Client, key: str, batch: Sequence[Call], sent: Sent
) -> None:
    now = datetime.now(UTC)
    body = {"batch": [call.dressed(now) for call in batch]}
    answer = _post(client, body, key)
    for result in answer["results"]:
        sent.answers[result["status"]] += 1
        if result["status"] == "rejected":
            sent.refusals.append(result)


def _post(client: httpx.Client, body: dict[str, Any], key: str) -> dict[str, Any]:
    """The answer to a batch; waits while the collector is busy, as it asks to."""
    patience = time.monotonic() + PATIENCE
    while True:
        response = client.post("/v1/batch", json=body, headers={"X-API-Key": key})
        if response.status_code not in (429, 503) or time.monotonic() > patience:
            break
        time.sleep(float(response.headers.get("Retry-After", "1")))
    if response.status_code != 200:
        raise NotAccepted(
            f"the collector answered {response.status_code}: {response.text[:300]}"
        )
    found: dict[str, Any] = response.json()
    return found
