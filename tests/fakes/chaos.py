"""How requests to any fake go wrong: applied or not, answered or not, told the truth or not. Deterministic by seed."""

import copy
import random
import socket
import struct
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

from tests.fakes.server import Behaviour, Fake, Request, Response, say, well

# Longer than the clients of these tests wait.
PATIENCE_SECONDS = 0.9


def tear(wire: BaseHTTPRequestHandler) -> None:
    """End the connection so that the client sees a reset."""
    linger = struct.pack("ii", 1, 0)
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wire.close_connection = True
    wire.connection.close()


def _applied_then_torn(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.handle(r)
    tear(w)


def _torn(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    tear(w)


def _applied_then_late(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    given = f.handle(r)
    time.sleep(PATIENCE_SECONDS)
    say(w, given)


def _late(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    time.sleep(PATIENCE_SECONDS)
    tear(w)


def _drip(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.handle(r)
    w.send_response(200)
    w.send_header("Content-Length", "1000")
    w.end_headers()
    for _ in range(1000):
        w.wfile.write(b" ")
        time.sleep(PATIENCE_SECONDS / 10)


def _throttled(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    say(w, Response(429, {"message": "slower"}, {"Retry-After": "7"}))


def _throttled_until(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    moment = formatdate(time.time() + 7, usegmt=True)
    say(w, Response(429, {"message": "slower"}, {"Retry-After": moment}))


def _busy(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    say(w, Response(503, {"message": "busy"}, {"Retry-After": "7"}))


def _applied_then_error(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.handle(r)
    say(w, Response(500, {"message": "oops"}))


def _error(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    say(w, Response(502, "bad gateway"))


def _partly(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.partly = True
    try:
        given = f.handle(r)
    finally:
        f.partly = False
    say(w, given)


def _stuck(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.stuck = True
    try:
        given = f.handle(r)
    finally:
        f.stuck = False
    say(w, given)


def _garbled(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    f.handle(r)
    say(w, Response(200, '{"data": [{"id'))


def forgetting(f: Fake, r: Request, w: BaseHTTPRequestHandler) -> None:
    """Says it is done and loses it. Only asserting everything again heals this, so it is no part of FAULTS."""
    before = copy.deepcopy(f.state)
    given = f.handle(r)
    f.state = before
    say(w, given)


FAULTS: dict[str, Behaviour] = {
    "applied_then_torn": _applied_then_torn,
    "torn": _torn,
    "applied_then_late": _applied_then_late,
    "late": _late,
    "drip": _drip,
    "throttled": _throttled,
    "throttled_until": _throttled_until,
    "busy": _busy,
    "applied_then_error": _applied_then_error,
    "error": _error,
    "partly": _partly,
    "stuck": _stuck,
    "garbled": _garbled,
}


def by_seed(seed: int, share: float = 0.5) -> Behaviour:
    """Each request goes wrong with this chance, in a way drawn from the seed."""
    chance = random.Random(seed)
    names = sorted(FAULTS)

    def behave(fake: Fake, request: Request, wire: BaseHTTPRequestHandler) -> None:
        wrong = chance.random() < share
        (FAULTS[chance.choice(names)] if wrong else well)(fake, request, wire)

    return behave
