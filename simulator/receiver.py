"""A tool at the other end: a loopback webhook receiver that verifies, applies and remembers audience changes.

For the demo and for tests that need an honest receiver. Receivers that misbehave live with the delivery tests.
"""

import base64
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + base64.b64encode(b"a loopback receiver's secret").decode()


@dataclass
class State:
    """Who is in which audience, as this tool understood it, and how many changes of each kind it was told."""

    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def apply(self, sync: str, change: dict[str, Any]) -> None:
        members = self.members.setdefault(sync, {})
        self.told[sync, change["action"]] += 1
        if change["action"] == "exit":
            members.pop(change["recipient"], None)
        else:
            members[change["recipient"]] = change["attributes"]


class Receiver:
    """Listens on 127.0.0.1 while it is entered. With a `memory` file it knows next time what it was told."""

    def __init__(self, memory: Path | None = None, secret: str = SECRET) -> None:
        self.secret, self.state = secret, State()
        self._memory = memory
        if memory and memory.exists():
            self.state.members = json.loads(memory.read_text())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/audiences"

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, body: bytes, headers: dict[str, str]) -> int:
        """Verify and apply one request; the status to answer."""
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return 401
        data = json.loads(body)["data"]
        for change in data["changes"]:
            self.state.apply(data["sync"], change)
        if self._memory:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(self.state.members, indent=2))
        return 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver, one_at_a_time = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with one_at_a_time:
                    status = receiver._take(body, dict(self.headers.items()))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """The demo's output is for its reader."""

        return Handler
