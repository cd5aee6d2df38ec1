"""One exchange against servers that break the protocol in ways no library of servers does."""

import datetime
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestration.destinations import egress
from orchestration.destinations import wire as wires
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
        time.sleep(0.1)  # until it is seen that the receiver hung up
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


def certified(name: str, folder: Path) -> Path:
    """A key and a certificate for a name that the key itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.mark.parametrize(
    ("name", "trusts", "arrives"),
    [("localhost", True, True), ("other", True, False), ("localhost", False, False)],
    ids=["its own name", "another name", "nobody vouches for it"],
)
def test_whoever_cannot_prove_the_name_that_was_asked_for_gets_nothing(
    wire, tmp_path, monkeypatch, name, trusts, arrives
):
    file = certified(name, tmp_path)
    if trusts:
        trusted = ssl.create_default_context(cafile=file)
        monkeypatch.setattr(wires, "_trusting", lambda: trusted)
    proving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proving.load_cert_chain(file)

    def over_tls(connection: socket.socket) -> None:
        with proving.wrap_socket(connection, server_side=True) as secured:
            hear(secured)
            secured.sendall(DONE)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with suppress(OSError):
                over_tls(connection)

        serving = Thread(target=serve)
        serving.start()
        url = f"https://localhost:{listening.getsockname()[1]}/"
        target = egress.checked(url, ["localhost"])
        assert target.url.host == "127.0.0.1"
        refuses = pytest.raises(NeverSent, match="certificate")
        with nullcontext() if arrives else refuses:
            reply = wire.ask(target, "POST", b"body", {"Host": target.host_header}, 99)
            assert reply.content == b"ok"
        serving.join()
