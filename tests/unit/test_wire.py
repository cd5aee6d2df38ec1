"""One exchange against servers that break the protocol in ways no library of servers does."""

import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from orchestration.destinations import egress
from orchestration.destinations.exchange import Exchange, HttpSettings, NotDone
from orchestration.destinations.wire import Lost, NeverSent, Wire

DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Manners = Callable[[socket.socket], None]


def hear(connection: socket.socket) -> None:
    """Wait for a whole request, or for the sender to go."""
    heard = b""
    while not heard.endswith(b"body") and (more := connection.recv(65536)):
        heard += more


@contextmanager
def receiver(*manners: Manners) -> Iterator[str]:
    """Listens for so many connections, and treats each in its own manner after a request has come."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for treat in manners:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    hear(connection)
                    treat(connection)

        serving = Thread(target=serve)
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        serving.join()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(connect_seconds=5, answer_seconds=1)
    yield made
    made.close()


def ask(wire: Wire, url: str, max_bytes: int = 1000):
    target = egress.checked(url, ["127.0.0.1"])
    headers = {"Host": target.host_header}
    return wire.ask(target, "POST", b"body", headers, max_bytes)


def saying(*pieces: bytes, every: float = 0.0) -> Manners:
    def treat(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(every)

    return treat


def test_headers_that_drip_end_with_the_time_for_the_answer(wire):
    drops = [b"HTTP/1.1 200 OK\r\n", *[b"x"] * 30]
    with receiver(saying(*drops, every=0.1)) as url:
        started = time.monotonic()
        with pytest.raises(Lost, match="TimeoutError"):
            ask(wire, url)
        assert time.monotonic() - started < 2.5


@pytest.mark.parametrize(
    "answer",
    [
        DONE[:-1],
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_what_is_no_whole_answer_proves_nothing(wire, answer):
    with receiver(saying(answer)) as url, pytest.raises(Lost):
        ask(wire, url)


def test_a_packed_answer_is_unpacked_as_far_as_it_may_be_long(wire):
    def packed(text: bytes) -> Manners:
        body = zlib.compress(text)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n"
        return saying(head % len(body) + body)

    with receiver(packed(b"ok"), packed(b" " * 10**6)) as url:
        assert ask(wire, url).content == b"ok"
        with pytest.raises(Lost, match="too long"):
            ask(wire, url)


def test_a_connection_is_kept_until_the_receiver_drops_it(wire):
    def twice(connection: socket.socket) -> None:
        connection.sendall(DONE)
        hear(connection)
        connection.sendall(DONE)

    with receiver(twice, saying(DONE)) as url:
        for _ in range(2):
            assert ask(wire, url).content == b"ok"
        time.sleep(0.1)
        assert ask(wire, url).content == b"ok"


def test_nobody_listening_means_that_nothing_was_sent(wire):
    with receiver() as url:
        pass
    with pytest.raises(NeverSent):
        ask(wire, url)


def test_a_secret_that_no_header_can_carry_is_a_sentence_and_nothing_is_sent():
    settings = HttpSettings(
        name="tool", kind="any", url="http://127.0.0.1:9", allow_loopback=["127.0.0.1"]
    )
    with receiver(saying(), saying(DONE)) as url:
        exchange = Exchange(settings)
        with pytest.raises(NotDone) as told:
            exchange.ask("POST", url, b"body", {"Authorization": "Bearer one\ntwo"})
        answer = told.value.answer(())
        assert "look for line breaks" in (answer.stop or "")
        assert exchange.ask("POST", url, b"body").content == b"ok"
        exchange.close()
