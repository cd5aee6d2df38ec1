"""A webhook receiver that misbehaves on order and remembers what it applied.

It verifies signatures, forgets nothing, ignores an op_id it has applied before (as real receivers that deduplicate
do), and for each request does what its script says: apply and fall silent, fail after applying, refuse, dawdle.
"""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "bWlsbHJhY2UtdGVzdC1zZWNyZXQ="
Change = dict[str, Any]
Fault = Callable[["ChaosReceiver", BaseHTTPRequestHandler, list[Change]], None]


class ChaosReceiver:
    """Listens on 127.0.0.1 while it is entered. `script` maps the number of a request to a fault, by name or as is."""

    def __init__(self) -> None:
        self.script: Callable[[int], str | Fault] = lambda _: "ok"
        self.poisonous: set[str] = set()
        self.members: dict[str, Change] = {}
        self.requests: list[dict[str, Any]] = []
        self.patience = 0.5
        self._applied: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def held(self) -> dict[str, Any]:
        """Who is there, with which attributes."""
        return {name: change["attributes"] for name, change in self.members.items()}

    def __enter__(self) -> "ChaosReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, handler: "BaseHTTPRequestHandler", body: bytes) -> None:
        """Verify, then misbehave as the script says."""
        Webhook(SECRET).verify(body, dict(handler.headers.items()))
        with self._lock:
            fault = self.script(len(self.requests))
            message = json.loads(body)
            self.requests.append({"headers": dict(handler.headers), "body": message})
        act = FAULTS[fault] if isinstance(fault, str) else fault
        act(self, handler, message["data"]["changes"])

    def apply(self, changes: list[Change]) -> None:
        with self._lock:
            for change in changes:
                if change["op_id"] in self._applied:
                    continue
                self._applied.add(change["op_id"])
                if change["action"] == "exit":
                    self.members.pop(change["recipient"], None)
                else:
                    self.members[change["recipient"]] = change

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.suppress(OSError):
                    receiver.take(self, body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was torn on purpose is no news."""


def answer(
    handler: BaseHTTPRequestHandler, status: int, text: str = "", **headers: str
) -> None:
    body = text.encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Tear the connection so that the client sees a reset."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def _ok(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    if any(change["recipient"] in r.poisonous for change in c):
        return answer(h, 400, "something in here is wrong")
    r.apply(c)
    return answer(h, 204)


def _applied_then_reset(
    r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]
) -> None:
    r.apply(c)
    reset(h)


def _reset(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    reset(h)


def _applied_then_late(
    r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]
) -> None:
    r.apply(c)
    time.sleep(r.patience)
    answer(h, 204)


def _late(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    time.sleep(r.patience)
    reset(h)


def _drip(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    r.apply(c)
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    for _ in range(1000):
        h.wfile.write(b" ")
        time.sleep(r.patience / 20)


def _throttled(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    answer(h, 429, retry_after="7")


def _throttled_until(
    r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]
) -> None:
    answer(h, 429, retry_after=formatdate(time.time() + 7, usegmt=True))


def _busy(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    answer(h, 503, retry_after="7")


def _applied_then_error(
    r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]
) -> None:
    r.apply(c)
    answer(h, 500)


def _error(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    answer(h, 502)


def _partly(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    """A success with failures inside: every other change was not applied."""
    r.apply(c[::2])
    failed = [{"op_id": change["op_id"], "status": "retry"} for change in c[1::2]]
    answer(h, 200, json.dumps({"failed": failed}), content_type="application/json")


def _garbled(r: ChaosReceiver, h: BaseHTTPRequestHandler, c: list[Change]) -> None:
    r.apply(c[::2])
    answer(h, 200, '{"failed": [{"op_', content_type="application/json")


FAULTS: dict[str, Fault] = {
    "ok": _ok,
    "applied_then_reset": _applied_then_reset,
    "reset": _reset,
    "applied_then_late": _applied_then_late,
    "late": _late,
    "drip": _drip,
    "throttled": _throttled,
    "throttled_until": _throttled_until,
    "busy": _busy,
    "applied_then_error": _applied_then_error,
    "error": _error,
    "partly": _partly,
    "garbled": _garbled,
}
