"""Stands between an SDK and the collector, on the loopback, and does to requests what networks and busy servers do.

Each batch of a sender is troubled once or twice and then let through: every SDK gives up some time, and what it has
given up nobody can take in. A collector that is down is an unanswered connection.
"""

import gzip
import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx

TROUBLES = (
    "500 before",  # refused, nothing arrived
    "429 before",  # asked to come back in a second
    "cut before",  # the connection ends without an answer, nothing arrived
    "cut after",  # it arrived, and the answer is lost
    "500 after",  # it arrived, and the answer says it didn't
    "cut answer",  # the answer ends in the middle
    "none",
)

MESSAGE_ID = re.compile(rb'"messageId"\s*:\s*"([^"]+)"')


class ChaosProxy:
    """Listens on 127.0.0.1 while it is entered; `target` is the collector's base URL and may change meanwhile."""

    def __init__(
        self, target: str, seed: int, troubles: Sequence[str] = TROUBLES
    ) -> None:
        self.target = target
        self.seen: Counter[str] = Counter()
        self._troubles, self._chance = troubles, random.Random(seed)
        self._waiting: dict[bytes, list[str]] = {}
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ChaosProxy":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def _trouble(self, body: bytes) -> str:
        """What happens to this attempt, by the batch it belongs to."""
        plain = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        found = MESSAGE_ID.search(plain)
        if found is None:
            return "none"
        with self._lock:
            if found[1] not in self._waiting:
                turn = len(self._waiting) % len(self._troubles)
                troubles = [self._troubles[turn], self._chance.choice(self._troubles)]
                self._waiting[found[1]] = [t for t in troubles if t != "none"]
            left = self._waiting[found[1]]
            return left.pop(0) if left else "none"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, TimeoutError):
                    self.close_connection = True  # the other side had enough

            def do_any(self) -> None:
                body = self._body()
                trouble = outer._trouble(body) if self.command == "POST" else "none"
                outer.seen[trouble] += 1
                if trouble == "500 before":
                    return self._answer(500, b'{"message": "try again"}')
                if trouble == "429 before":
                    later = {"Retry-After": "1"}
                    return self._answer(429, b'{"message": "busy"}', later)
                if trouble == "cut before":
                    return self._cut()
                try:
                    answer = outer._http.request(
                        self.command,
                        outer.target + self.path,
                        content=body,
                        headers={**self.headers, "Accept-Encoding": "identity"},
                    )
                except httpx.TransportError:
                    outer.seen["collector down"] += 1
                    return self._cut()
                outer.seen["forwarded"] += 1
                if trouble == "cut after":
                    return self._cut()
                if trouble == "500 after":
                    return self._answer(500, b'{"message": "who knows"}')
                headers = {
                    name: value
                    for name, value in answer.headers.items()
                    if name not in ("content-length", "connection", "date")
                }
                return self._answer(
                    answer.status_code,
                    answer.content,
                    headers,
                    cut=trouble == "cut answer",
                )

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                del self.headers["Transfer-Encoding"]
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _answer(
                self,
                status: int,
                body: bytes,
                headers: dict[str, str] | None = None,
                cut: bool = False,
            ) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                if cut:
                    self._cut()

            def _cut(self) -> None:
                self.wfile.flush()
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

            do_GET = do_POST = do_OPTIONS = do_any  # noqa: N815

        return Handler
