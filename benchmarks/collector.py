"""The collector beside a plain FastAPI that validates the same pydantic model and discards: CPU of the server an event.

The subject is the real thing: keys, limits, the Segment shape made canonical, synced to disk before the answer. The
limit gets the same events in canonical form as its typed body. Both run on uvicorn with the same loop and parser; the
sender is a process of its own and is not counted.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

from benchmarks.harness import Figure, Usage, compare, module
from ingestion.collector.keys import KeyStore
from ingestion.collector.server import started
from ingestion.contracts import Event
from ingestion.contracts.base import JsonObject
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from ingestion.landing import new_record_id

LANES = 16
"""Connections that send one request after the other."""
BATCH = 100
TARGETS = {1: 1.5, BATCH: 1.2}
TICKS = os.sysconf("SC_CLK_TCK")


def single(folder: Path, events: int, runs: int) -> Figure:
    """One event a request."""
    return _figure(folder, min(events, 20_000), runs, 1)


def batches(folder: Path, events: int, runs: int) -> Figure:
    """A hundred events a request."""
    return _figure(folder, min(events, 200_000), runs, BATCH)


def _figure(folder: Path, events: int, runs: int, size: int) -> Figure:
    calls = [_call(n) for n in range(size)]
    canonical = [orjson.loads(_canonical(each)) for each in calls]
    requests = events // size
    path, sent = (
        ("/v1/batch", {"batch": calls}) if size > 1 else ("/v1/track", calls[0])
    )
    expected = canonical if size > 1 else canonical[0]

    def subject() -> Usage:
        home = folder / f"home-{size}-{time.monotonic_ns()}"
        KeyStore(home / "keys.json").import_text("KEY", "bench", ("integration",))
        with started(home) as (url, process):
            return _loaded(url, process.pid, path, sent, requests)

    def limit() -> Usage:
        with _plain() as (url, pid):
            return _loaded(
                url, pid, f"/{'many' if size > 1 else 'one'}", expected, requests
            )

    usage, peer, ratios = compare(subject, limit, runs)
    many = f"batches of {size}" if size > 1 else "single events"
    return Figure(
        name=f"collector with sync : plain FastAPI, {many}",
        unit=f"{usage.cpu_seconds / events * 1e6:.1f} against {peer.cpu_seconds / events * 1e6:.1f} CPU µs an event",
        subject=usage,
        limit=peer,
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        target=TARGETS[size],
    )


def _call(n: int) -> JsonObject:
    """What Segment's SDK for Node sends for a purchase."""
    products = [
        {"product_id": f"P-{n % 97}", "name": "Pot", "price": 49.99, "quantity": 1},
        {"product_id": "P-2", "name": "Lid", "price": 12.5, "quantity": 2},
    ]
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": f"u-{n}",
        "anonymousId": f"7b6a3c0e-6d0b-4a55-9d8e-{n:012d}",
        "properties": {
            "order_id": f"o-{n}",
            "total": 74.99,
            "currency": "EUR",
            "products": products,
        },
        "context": {
            "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
            "traits": {"email": f"someone.{n}@example.com"},
        },
        "integrations": {},
        "timestamp": "2026-01-31T12:00:00.123Z",
        "messageId": f"node-next-1769860800123-7b6a3c0e-6d0b-4a55-9d8e-{n:012d}",
        "_metadata": {"nodeVersion": "20.20.2", "jsRuntime": "node"},
    }


def _canonical(call: JsonObject) -> bytes:
    received = datetime(2026, 1, 31, 12, tzinfo=UTC)
    origin = Origin("bench", received, "server", "/v1/batch")
    record_id = new_record_id()
    event = read_event(call, origin, record_id)
    line: JsonObject = orjson.loads(event.to_line(record_id))
    del line["stream"]
    return orjson.dumps(line)


def _loaded(
    url: str, pid: int, path: str, body: JsonObject | list[JsonObject], requests: int
) -> Usage:
    """What the server used for so many requests, once it is warm."""
    port = int(url.rpartition(":")[2])
    content = orjson.dumps(body)
    asyncio.run(_send(port, path, content, requests // 10 + LANES))
    before, began = _cpu(pid), time.monotonic()
    asyncio.run(_send(port, path, content, requests))
    seconds, used = time.monotonic() - began, _cpu(pid) - before
    status = Path(f"/proc/{pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return Usage(used, seconds, peak)


async def _send(port: int, path: str, content: bytes, requests: int) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: KEY\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    request = head.encode() + content
    left = iter(range(requests))

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            length = answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await asyncio.gather(*(lane() for _ in range(LANES)))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def _plain() -> Iterator[tuple[str, int]]:
    """The limit as a process of its own: its base URL and its pid."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        process = subprocess.Popen(module(__name__, str(number)), pass_fds=[number])
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def _serve(number: int) -> None:
    """Validate and discard."""
    app = FastAPI()

    @app.post("/one")
    async def one(event: Event) -> Response:
        return Response(b'{"success":true}', media_type="application/json")

    @app.post("/many")
    async def many(events: list[Event]) -> Response:
        return Response(b'{"success":true}', media_type="application/json")

    config = uvicorn.Config(app, access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
