"""One HTTP/1.1 exchange with an address that was checked, within its time, over a connection that is kept.

Belongs here: connecting, sending, reading a bounded answer, and whether a request can have arrived at all. Not here: where
a request may go (egress) and what an answer proves (http_answers). It stands on the standard library because httpx takes
four times as long for a request, which was most of what delivering a batch cost.
"""

import http.client
import io
import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import httpx

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
        self._connection: _Connection | None = None

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
        deadline = time.monotonic() + self._answer_seconds
        try:
            reply = connection.ask(
                target, method, content, headers, deadline, max_answer_bytes
            )
            # One whose answer was not read to its end is of no use to the next request.
            self._connection = connection
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise Lost(_said(error)) from error
        finally:
            if self._connection is None:
                connection.close()
        return reply

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, target: Checked) -> "_Connection":
        if self._connection is not None and self._connection.leads_to(target):
            return self._connection
        self.close()
        connection = _Connection(target, self._connect_seconds)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NeverSent(_said(error)) from error
        return connection


class _Connection(http.client.HTTPConnection):
    """To one checked address; TLS by the name that was asked for."""

    def __init__(self, target: Checked, connect_seconds: float) -> None:
        url = target.url
        port = url.port or (443 if url.scheme == "https" else 80)
        super().__init__(url.host, port, timeout=connect_seconds)
        self._target, self._used_at = target, time.monotonic()
        self._end = _end(target)

    def connect(self) -> None:
        super().connect()
        if self._target.url.scheme == "https":
            name = self._target.server_name
            self.sock = _trusting().wrap_socket(self.sock, server_hostname=name)

    def leads_to(self, target: Checked) -> bool:
        """Whether it goes there and is still open: what has something to say unasked was closed, or is out of step."""
        idle = time.monotonic() - self._used_at
        if self.sock is None or idle > KEPT_SECONDS or self._end != _end(target):
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def ask(
        self,
        target: Checked,
        method: str,
        content: bytes,
        headers: Mapping[str, str],
        deadline: float,
        max_bytes: int,
    ) -> Reply:
        self.sock.settimeout(_left(deadline))
        path = target.url.raw_path.decode("ascii")
        # Somebody who refuses a long body answers before it has arrived, and hangs up.
        with suppress(ConnectionError):
            self.request(method, path, content or None, headers)
        self.response_class = partial(_Answer, deadline)  # type: ignore[assignment]
        with self.getresponse() as answer:
            if answer.status < 200:
                raise http.client.HTTPException(f"interim answer {answer.status}")
            given = {name.lower(): value for name, value in answer.headers.items()}
            content = _plain(_read(answer, max_bytes), given, max_bytes)
        self._used_at = time.monotonic()
        return Reply(answer.status, given, content)


class _Answer(http.client.HTTPResponse):
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


def _read(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    received = answer.read(max_bytes + 1)
    if len(received) > max_bytes:
        raise http.client.HTTPException("the answer is too long")
    if answer.length:
        raise http.client.IncompleteRead(received, answer.length)
    return received


def _plain(received: bytes, headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Unpacked, should somebody have packed it although asked not to."""
    if headers.get("content-encoding", "identity") not in ("gzip", "deflate"):
        return received
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
    plain = unpacking.decompress(received, max_bytes)
    if unpacking.unconsumed_tail:
        raise http.client.HTTPException("the answer is too long")
    return plain


def _end(target: Checked) -> tuple[str, bytes, str]:
    return target.url.scheme, target.url.netloc, target.host_header


@lru_cache(maxsize=1)
def _trusting() -> ssl.SSLContext:
    """Whom everybody trusts. Reading all those certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
