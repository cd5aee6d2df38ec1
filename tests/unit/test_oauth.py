"""Bearer tokens of an external issuer: its published keys open the door, and nothing that only looks like one does."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from ingestion.collector.oauth import (
    AGAIN_SECONDS,
    FRESH_SECONDS,
    STALE_SECONDS,
    Issuer,
    Issuers,
    load_issuers,
)
from tests.unit.test_collector import EVENT, Collector, code
from tests.unit.test_collector_watch import Clock

SIGNS = rsa.generate_private_key(65537, 2048)
NEXT = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())

ISSUER, AUDIENCE = "https://login.example/", "https://collect.example"


def published(name: str, key: Any, **more: Any) -> dict[str, Any]:
    of = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**of.to_jwk(key.public_key(), as_dict=True), "kid": name, **more}


class KeyServer:
    """An issuer's key set on the loopback, which counts its readers and can be told to fail."""

    def __init__(self) -> None:
        self.keys = [published("one", SIGNS), published("curve", CURVE, alg="ES256")]
        self.status, self.asked = 200, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,)).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"


@pytest.fixture
def issuer() -> Iterator[KeyServer]:
    made = KeyServer()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collector(tmp_path: Path, issuer: KeyServer, clock: Clock) -> Iterator[Collector]:
    declared = Issuer.model_validate(
        {
            "issuer": ISSUER,
            "jwks_url": issuer.url,
            "audience": AUDIENCE,
            "scope": "events:write",
            "clients": {"crm-export": {"source": "crm_events", "scope": "batch"}},
        }
    )
    with Collector(tmp_path, issuers=Issuers((declared,), clock)) as made:
        yield made


def token(key: Any = SIGNS, alg: str = "RS256", kid: str | None = "one", **said: Any):
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 60,
        "iat": now,
        "client_id": "crm-export",
        "scope": "openid events:write",
    }
    claims = {name: v for name, v in {**claims, **said}.items() if v is not None}
    return jwt.encode(claims, key, alg, {"kid": kid} if kid else None)


def send(collector: Collector, bearer: str) -> Any:
    headers = {"Authorization": f"Bearer {bearer}"}
    return collector.send("POST", "/ingest", content=json.dumps(EVENT), headers=headers)


def test_a_client_s_events_are_those_of_its_source(collector: Collector) -> None:
    for good in (
        token(),
        token(CURVE, "ES256", "curve"),
        token(scope=None, scp=["events:write"]),
        token(client_id=None, azp="crm-export"),
        token(client_id=None, sub="crm-export"),
        token(aud=["other", AUDIENCE]),
        token(exp=int(time.time()) - 10),  # within what clocks may differ
    ):
        answer = send(collector, good)
        assert answer.status_code == 200, answer.text
    rows = collector.landed()
    assert {row["source_id"] for row in rows} == {"crm_events"}
    assert {row["channel"] for row in rows} == {"batch"}


def unsigned() -> str:
    return jwt.encode(
        jwt.decode(token(), options={"verify_signature": False}), None, "none"
    )


def signed_with_the_public_key() -> str:
    """The classic: whoever knows the public key signs with it as if it were a shared secret."""
    pem = SIGNS.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    message = header + b"." + token().split(".")[1].encode()
    signature = hmac.digest(pem, message, hashlib.sha256)
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def altered() -> str:
    head, body, signature = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["client_id"] = "crm-export "
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "bearer",
    [
        unsigned(),
        signed_with_the_public_key(),
        altered(),
        token(NEXT),
        token(alg="RS512"),
        token(kid="curve"),
        token(CURVE, "ES256", "one"),
        token(exp=int(time.time()) - 3600),
        token(exp=None),
        token(aud="https://other.example"),
        token(aud=None),
        token(iss="https://evil.example/"),
        token(iss=None),
        token(nbf=int(time.time()) + 3600),
        token(client_id="somebody-else"),
        token(client_id=None),
        token() + "x",
        "a.b.c",
        "..",
        "e30.e30.",
        "x" * 40_000 + ".y.z",
    ],
)
def test_what_is_not_to_be_trusted_opens_nothing(
    collector: Collector, bearer: str
) -> None:
    answer = send(collector, bearer)
    assert (answer.status_code, code(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert collector.landed() == collector.landed("rejects") == []


def test_a_token_for_something_else_is_forbidden(collector: Collector) -> None:
    for scope in ("openid", "events:write:not", None, ["events"], 7):
        answer = send(collector, token(scope=scope))
        assert (answer.status_code, code(answer)) == (403, "forbidden")
        assert "insufficient_scope" in answer.headers["www-authenticate"]


def test_the_keys_are_read_once_and_again_for_a_new_one(
    collector: Collector, issuer: KeyServer, clock: Clock
) -> None:
    for _ in range(5):
        assert send(collector, token()).status_code == 200
    assert issuer.asked == 1
    issuer.keys.append(published("next", NEXT))
    clock.now += AGAIN_SECONDS
    assert send(collector, token(NEXT, kid="next")).status_code == 200
    assert issuer.asked == 2


def test_made_up_key_ids_do_not_reach_the_issuer_more_than_now_and_then(
    collector: Collector, issuer: KeyServer, clock: Clock
) -> None:
    for n in range(50):
        clock.now += 0.5
        assert send(collector, token(NEXT, kid=f"made-up-{n}")).status_code == 401
    assert issuer.asked <= 25 / AGAIN_SECONDS + 1
    assert send(collector, token()).status_code == 200


def test_a_withdrawn_key_is_good_for_an_hour_at_most(
    collector: Collector, issuer: KeyServer, clock: Clock
) -> None:
    assert send(collector, token()).status_code == 200
    issuer.keys = [published("next", NEXT)]
    assert send(collector, token()).status_code == 200
    clock.now += FRESH_SECONDS
    assert send(collector, token()).status_code == 401
    assert send(collector, token(NEXT, kid=None)).status_code == 200


def test_while_the_issuer_is_down_known_keys_are_good_for_a_day(
    collector: Collector, issuer: KeyServer, clock: Clock
) -> None:
    assert send(collector, token()).status_code == 200
    issuer.status = 500
    clock.now += FRESH_SECONDS
    assert send(collector, token()).status_code == 200
    assert send(collector, token(NEXT, kid="next")).status_code == 503
    clock.now += STALE_SECONDS
    assert send(collector, token()).status_code == 503
    issuer.status = 200
    clock.now += AGAIN_SECONDS
    assert send(collector, token()).status_code == 200


def test_an_issuer_that_never_answered_means_come_again_and_keys_still_work(
    collector: Collector, issuer: KeyServer, clock: Clock
) -> None:
    issuer.keys = ["no", "keys"]  # type: ignore[list-item]
    for _ in range(3):
        answer = send(collector, token())
        assert (answer.status_code, code(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert issuer.asked == 1
    assert collector.post("/ingest", EVENT).status_code == 200


def test_shared_secrets_and_keys_for_encryption_are_not_among_the_keys(
    collector: Collector, issuer: KeyServer
) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"}
    strange = {"kty": "new", "kid": "s"}
    issuer.keys = [secret, strange, published("one", SIGNS, use="enc")]
    assert send(collector, token()).status_code == 401


def declared(folder: Path, text: str) -> str:
    (folder / "issuers.yml").write_text(text)
    with pytest.raises(ValueError, match=r"issuers\.yml") as caught:
        load_issuers(folder / "issuers.yml")
    return str(caught.value)


GOOD = """issuers:
  - issuer: https://login.example/
    jwks_url: https://login.example/jwks.json
    audience: us
    scope: events:write
    clients: {crm-export: {source: crm_events}}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("jwks_url: https:", "jwks_url: http:", "https://"),
        ("audience: us", "", "audience"),
        ("scope: events:write", "scope: events:write\n    algorithms: [HS256]", "alg"),
        ("{source: crm_events}", "{source: s, scope: tracker}", "scope"),
        ("{source: crm_events}", "{source: s, tenant: ../up}", "tenant"),
        ("issuers:", "issuer:", "issuer"),
        ("audience: us", "audience: us\n    audience: us", "twice"),
    ],
)
def test_a_mistake_in_the_declaration_is_named(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert says in declared(tmp_path, GOOD.replace(old, new, 1))


def test_without_a_declaration_nobody_s_tokens_are_taken(tmp_path: Path) -> None:
    assert load_issuers(tmp_path / "issuers.yml") == ()
    (tmp_path / "issuers.yml").write_text(GOOD)
    assert len(load_issuers(tmp_path / "issuers.yml")) == 1
