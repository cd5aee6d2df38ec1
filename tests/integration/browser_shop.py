"""What the tracker's tests stand on: a site with the tracker on its pages, and a gate before the real collector that
can be told to refuse and that remembers what came.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from ingestion import tracker

PAGES = Path(__file__).parent.parent / "data/tracker"
KEY = "browser-key"

Handler = TypeVar("Handler", bound=type[BaseHTTPRequestHandler])


@dataclass(frozen=True)
class Sent:
    """A request for events, as the gate saw it."""

    at: float
    mode: str
    """`cors` when the page waits for the answer, `no-cors` when it is a beacon."""
    body: dict[str, Any]
    status: int

    @property
    def ids(self) -> list[str]:
        return [each["messageId"] for each in self.body["batch"]]


@dataclass
class Gate:
    """Stands before the collector. `refusals` are answered, one each, to the next requests for events."""

    collector: str
    http: httpx.Client
    url: str = ""
    refusals: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    sent: list[Sent] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> httpx.Response:
        length = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length)
        if request.command == "POST" and self.refusals:
            status, headers = self.refusals.popleft()
            allowed = {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Expose-Headers": "Retry-After",
            }
            answer = httpx.Response(status, headers={**allowed, **headers})
        else:
            answer = self.http.request(
                request.command,
                self.collector + request.path,
                content=body,
                headers={**request.headers, "Accept-Encoding": "identity"},
            )
        if request.command == "POST":
            mode = request.headers.get("Sec-Fetch-Mode", "")
            seen = Sent(time.monotonic(), mode, json.loads(body), answer.status_code)
            self.sent.append(seen)
        return answer


@contextmanager
def gate(collector: str) -> Iterator[Gate]:
    http = httpx.Client(timeout=30)
    before = Gate(collector, http)

    class Answering(_Quiet):
        def do_any(self) -> None:
            answer = before.answer(self)
            self.reply(answer.status_code, answer.content, dict(answer.headers))

        do_GET = do_POST = do_OPTIONS = do_any  # noqa: N815 - http.server's names

    with http, _serving(Answering) as before.url:
        yield before


@contextmanager
def site(collector: str) -> Iterator[str]:
    """The base URL of a site: any path shows the page of its first part, and /tracker.js is served from here, too."""

    class Showing(_Quiet):
        def do_GET(self) -> None:
            name = urlsplit(self.path).path.split("/")[1]
            if name == "tracker.js":
                javascript = {"Content-Type": "text/javascript; charset=utf-8"}
                return self.reply(200, tracker.source(), javascript)
            page = (PAGES / f"{name}.html").read_text("utf-8")
            page = page.replace("{collector}", collector).replace("{key}", KEY)
            return self.reply(200, page.encode(), {"Content-Type": "text/html"})

    with _serving(Showing) as url:
        yield url


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _serving(handler: Handler) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
