"""What the fakes of vendors have in common: a loopback server, a rate window, and what was refused.

A fake enforces what its vendor's page says and keeps the state the vendor would keep. It knows nothing of our clients
and shares no code with them. How a connection goes wrong is chaos.py.
"""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-secret-nobody-may-print"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refused(400, {"message": "the body is no JSON"}) from error

    @property
    def form(self) -> dict[str, str]:
        return {name: found[0] for name, found in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body).encode()


class Refused(Exception):  # noqa: N818 - says what happened
    """A documented rule was broken; this is the vendor's answer."""

    def __init__(
        self, status: int, body: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {body}")
        self.response = Response(status, body, headers or {})


def must(holds: object, status: int, body: Any) -> None:
    if not holds:
        raise Refused(status, body)


class Fake:
    """A vendor. `state` is all it remembers of people; `partly` makes it refuse every second person of a batch, where its
    documents know partial failure, and `poisonous` names people it always refuses; `stuck` makes it never finish a job."""

    window: tuple[int, float] | None = None

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.refusals: list[Response] = []
        self.partly = self.stuck = False
        self.poisonous: set[str] = set()
        self._moments: deque[float] = deque()
        self._lock = threading.Lock()

    @property
    def held(self) -> dict[str, Any]:
        """Who is in the audience, with which payload, by the vendor's own identifier."""
        return self.state

    def answer(self, request: Request) -> Response:
        """The vendor's rules. Raises Refused."""
        raise NotImplementedError

    def too_many(self) -> Refused:
        """The vendor's answer to too many requests."""
        return Refused(429, {"message": "too many requests"}, {"Retry-After": "1"})

    def exhaust(self) -> None:
        """As if the window were full of requests of somebody else."""
        assert self.window is not None
        self._moments.extend([time.monotonic()] * self.window[0])

    def handle(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            try:
                self._count()
                return self.answer(request)
            except Refused as refused:
                self.refusals.append(refused.response)
                return refused.response

    def sour(self, place: int, name: str) -> bool:
        """Whether this person, at this place of a batch, is one that fails today."""
        return name in self.poisonous or (self.partly and place % 2 == 1)

    def _count(self) -> None:
        if self.window is None:
            return
        most, seconds = self.window
        now = time.monotonic()
        while self._moments and self._moments[0] <= now - seconds:
            self._moments.popleft()
        if len(self._moments) >= most:
            raise self.too_many()
        self._moments.append(now)


Behaviour = Callable[[Fake, Request, BaseHTTPRequestHandler], None]


def say(wire: BaseHTTPRequestHandler, response: Response) -> None:
    text = response.text
    wire.send_response(response.status)
    for name, value in response.headers.items():
        wire.send_header(name, value)
    if text and "Content-Type" not in response.headers:
        wire.send_header("Content-Type", "application/json")
    wire.send_header("Content-Length", str(len(text)))
    wire.end_headers()
    wire.wfile.write(text)


def well(fake: Fake, request: Request, wire: BaseHTTPRequestHandler) -> None:
    say(wire, fake.handle(request))


class Server:
    """Serves one fake on 127.0.0.1 while it is entered. `behaviour` is how the next requests go."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.behaviour: Behaviour = well
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = {name: each[0] for name, each in parse_qs(url.query).items()}
                headers = {name.lower(): each for name, each in self.headers.items()}
                request = Request(self.command, url.path, query, headers, body)
                with contextlib.suppress(OSError):
                    server.behaviour(server.fake, request, self)

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was torn on purpose is no news."""
