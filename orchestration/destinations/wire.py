"""One HTTP exchange with an address that was checked, within its time, over a connection that is kept.

Belongs here: connecting, sending, reading a bounded answer, and whether a request can have arrived at all. Not here: where
a request may go (egress) and what an answer proves (http_answers). urllib3 takes a third of httpx's time for a request,
and that was most of what delivering a batch cost.
"""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

import httpx
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from orchestration.destinations.egress import Checked

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A connection that was idle for longer is not used again: servers drop idle ones, and what is sent on a dropped one is
# unknown. Valid: 0 to a minute.
KEPT_SECONDS = 5.0


class NeverSent(Exception):  # noqa: N818 - says what happened
    """There was no connection, so nothing can have arrived."""


class Lost(Exception):  # noqa: N818 - says what happened
    """The request may have arrived, and no usable answer came back."""


@dataclass(frozen=True)
class Reply:
    """An answer. Names of headers are in lower case."""

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class Wire:
    """Makes one request at a time, and keeps the connection to where it asked last."""

    def __init__(self, connect_seconds: float, answer_seconds: float) -> None:
        self._connect_seconds, self._answer_seconds = connect_seconds, answer_seconds
        self._connection: HTTPConnection | None = None
        self._leads_to: object = None
        self._used_at = 0.0

    def ask(
        self,
        target: Checked,
        method: str,
        content: bytes,
        headers: Mapping[str, str],
        max_answer_bytes: int,
    ) -> Reply:
        """The answer, whatever its status. From sending to its last byte it has `answer_seconds`.

        Raises NeverSent, Lost, and ValueError for a header that no request can carry.
        """
        connection, self._connection = self._connected(target), None
        try:
            deadline = time.monotonic() + self._answer_seconds
            connection.sock.settimeout(self._answer_seconds)
            # typed as a class, used as whatever makes an answer
            connection.response_class = partial(_Answer, deadline)  # type: ignore[assignment]
            reply = _asked(
                connection, target, method, content, headers, max_answer_bytes
            )
            # One whose answer was not read to its end is of no use to the next request.
            self._connection, self._used_at = connection, time.monotonic()
        except (OSError, HTTPError, HTTPException) as error:
            raise Lost(_said(error)) from error
        finally:
            if self._connection is None:
                connection.close()
        return reply

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, target: Checked) -> HTTPConnection:
        url = target.url
        leads_to = url.scheme, url.netloc, target.host_header
        kept = self._connection
        if kept is not None:
            idle = time.monotonic() - self._used_at
            # What has something to say unasked was closed, or is out of step; it does not count as connected.
            if (
                leads_to == self._leads_to
                and idle <= KEPT_SECONDS
                and kept.is_connected
            ):
                return kept
            self.close()
        made = _connection(target, self._connect_seconds)
        try:
            made.connect()
        except (OSError, HTTPError) as error:
            made.close()
            raise NeverSent(_said(error)) from error
        self._leads_to = leads_to
        return made


class _AtOnce(HTTPConnection):
    """Sends head and body of a request together. One after the other they wake the receiver twice."""

    _held: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._held = []
        super().request(*args, **kwargs)
        whole, self._held = b"".join(self._held), None
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


class _AtOnceSecured(_AtOnce, HTTPSConnection):
    """The same over TLS."""


def _connection(target: Checked, connect_seconds: float) -> HTTPConnection:
    """To the checked address; TLS by the name that was asked for."""
    url = target.url
    if url.scheme != "https":
        return _AtOnce(url.host, url.port or 80, timeout=connect_seconds)
    return _AtOnceSecured(
        url.host,
        url.port or 443,
        timeout=connect_seconds,
        server_hostname=target.server_name,
        ssl_context=_trusting(),
    )


def _asked(
    connection: HTTPConnection,
    target: Checked,
    method: str,
    content: bytes,
    headers: Mapping[str, str],
    max_bytes: int,
) -> Reply:
    path = target.url.raw_path.decode("ascii")
    # Somebody who refuses a long body answers before it has arrived, and hangs up.
    with suppress(ConnectionError):
        connection.request(
            method, path, content or None, headers, preload_content=False
        )
    answer = connection.getresponse()
    try:
        if answer.status < 200:
            raise HTTPException(f"interim answer {answer.status}")
        received = answer.read(max_bytes + 1, decode_content=True)
        if len(received) > max_bytes:
            raise HTTPException("the answer is too long")
    finally:
        answer.close()
    given = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status, given, received)


class _Answer(HTTPResponse):
    """An answer that has to end at a moment. The time limit of a socket bounds each of its pieces only."""

    def __init__(self, deadline: float, sock: socket.socket, method: str) -> None:
        super().__init__(sock, method=method)
        self.fp = io.BufferedReader(_Timed(sock, self.fp.detach(), deadline))


class _Timed(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(deadline: float) -> float:
    if (seconds := deadline - time.monotonic()) <= 0:
        raise TimeoutError("the answer took too long")
    return seconds


@lru_cache(maxsize=1)
def _trusting() -> ssl.SSLContext:
    """Whom everybody trusts. Reading all those certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
