"""What e-mail tools tell back: the examples that ship, each with the shape of message its tool documents."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from ingestion.collector.webhooks import WebhookSource
from ingestion.connectors import EventSource, load_source
from ingestion.contracts.webhooks import Webhook
from tests.unit.test_collector import Collector, code
from tests.unit.test_webhooks_in import EXAMPLES

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
SECRETS = {
    "sendgrid": PUBLIC,
    "mailgun": "not-a-real-key",
    "postmark": "us:not-a-real-password",
    "brevo": "not-a-real-token",
}


def source(name: str) -> WebhookSource:
    declared = load_source(EXAMPLES / f"{name}.yml")
    assert isinstance(declared, EventSource)
    assert declared.webhook is not None
    return WebhookSource(name, declared.webhook, SECRETS[name])


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, webhooks={name: source(name) for name in SECRETS}) as made:
        yield made


def sendgrid(body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    signature = KEY.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
    }


def basic(body: bytes) -> dict[str, str]:
    name = base64.b64encode(SECRETS["postmark"].encode()).decode()
    return {"Authorization": f"Basic {name}"}


def bearer(body: bytes) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS['brevo']}"}


def nothing(body: bytes) -> dict[str, str]:
    return {}


SIGN: dict[str, Callable[[bytes], dict[str, str]]] = {
    "sendgrid": sendgrid,
    "mailgun": nothing,
    "postmark": basic,
    "brevo": bearer,
}


def mailgun(event: str, at: float | None = None, **more: Any) -> dict[str, Any]:
    """Mailgun signs within the body."""
    when = str(int(time.time() if at is None else at))
    key = SECRETS["mailgun"].encode()
    signature = hmac.new(key, f"{when}nonce".encode(), hashlib.sha256).hexdigest()
    data = {
        "event": event,
        "id": f"mg-{event}",
        "timestamp": 1769860800.123,
        "recipient": "ada@example.com",
        "message": {"headers": {"message-id": "m@x"}},
        **more,
    }
    said = {"timestamp": when, "token": "nonce", "signature": signature}
    return {"signature": said, "event-data": data}


def sg(event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "ada@example.com",
        "timestamp": 1769860800,
        "event": event,
        "sg_event_id": f"sg-{event}",
        "sg_message_id": "m.1",
        **more,
    }


def pm(kind: str, person: str = "Recipient", **more: Any) -> dict[str, Any]:
    return {"RecordType": kind, "MessageID": "m", person: "ada@example.com", **more}


def bv(event: str) -> dict[str, Any]:
    return {
        "event": event,
        "email": "ada@example.com",
        "ts_event": 1769860800,
        "message-id": "<m@x>",
    }


OPENED, CLICKED, BOUNCED = "Email Opened", "Email Clicked", "Email Bounced"
COMPLAINED, UNSUBSCRIBED = "Email Complained", "Email Unsubscribed"
CHANGED = "Email Subscription Changed"

TOLD = [
    ("sendgrid", [sg("open")], OPENED, False),
    ("sendgrid", [sg("click")], CLICKED, False),
    ("sendgrid", [sg("bounce", type="bounce")], BOUNCED, True),
    ("sendgrid", [sg("bounce", type="blocked")], BOUNCED, False),
    ("sendgrid", [sg("spamreport")], COMPLAINED, True),
    ("sendgrid", [sg("group_unsubscribe")], UNSUBSCRIBED, True),
    ("mailgun", mailgun("opened"), OPENED, False),
    ("mailgun", mailgun("clicked"), CLICKED, False),
    ("mailgun", mailgun("failed", severity="permanent"), BOUNCED, True),
    ("mailgun", mailgun("failed", severity="temporary"), BOUNCED, False),
    ("mailgun", mailgun("complained"), COMPLAINED, True),
    ("mailgun", mailgun("unsubscribed"), UNSUBSCRIBED, True),
    ("postmark", pm("Open"), OPENED, False),
    ("postmark", pm("Click"), CLICKED, False),
    ("postmark", pm("Bounce", "Email", Inactive=True), BOUNCED, True),
    ("postmark", pm("Bounce", "Email", Inactive=False), BOUNCED, False),
    ("postmark", pm("SpamComplaint", "Email"), COMPLAINED, True),
    ("postmark", pm("SubscriptionChange", SuppressSending=True), CHANGED, True),
    ("postmark", pm("SubscriptionChange", SuppressSending=False), CHANGED, False),
    ("brevo", bv("opened"), OPENED, False),
    ("brevo", bv("click"), CLICKED, False),
    ("brevo", bv("hard_bounce"), BOUNCED, True),
    ("brevo", bv("soft_bounce"), BOUNCED, False),
    ("brevo", bv("spam"), COMPLAINED, True),
    ("brevo", bv("unsubscribed"), UNSUBSCRIBED, True),
]


def deliver(collector: Collector, name: str, body: Any, **headers: str) -> Any:
    raw = json.dumps(body).encode()
    signed = {**SIGN[name](raw), **headers}
    return collector.send("POST", f"/webhooks/{name}", content=raw, headers=signed)


def test_what_a_tool_tells_becomes_an_event_and_a_denial_where_it_is_one(
    collector: Collector,
) -> None:
    for name, body, event, is_denial in TOLD:
        before = len(collector.landed())
        assert deliver(collector, name, body).status_code == 200
        (row,) = collector.landed()[before:]
        assert (row["source_id"], row["name"]) == (name, event)
        assert row["identifiers"] == [{"type": "email", "value": "ada@example.com"}]
        denial = {"marketing": {"email": "denied"}} if is_denial else {}
        assert (row["consent"] or {}) == denial, body
        if event == BOUNCED:
            kind = "permanent" if is_denial else "temporary"
            assert row["properties"]["kind"] == kind, body
    assert collector.landed("rejects") == []


def test_a_message_that_is_sent_again_is_the_same_event(collector: Collector) -> None:
    for name, body in (("sendgrid", [sg("open")]), ("mailgun", mailgun("opened"))):
        for _ in range(2):
            assert deliver(collector, name, body).status_code == 200
    ids = [row["event_id"] for row in collector.landed()]
    assert ids == ["sg-open", "sg-open", "mg-opened", "mg-opened"]


def test_a_list_of_messages_has_a_result_for_each(collector: Collector) -> None:
    answer = deliver(collector, "sendgrid", [sg("open"), sg("processed"), sg("new")])
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["accepted", "ignored", "rejected"]


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        ("sendgrid", [sg("open")], {"X-Twilio-Email-Event-Webhook-Timestamp": "1"}),
        ("sendgrid", [sg("open")], {"X-Twilio-Email-Event-Webhook-Signature": "eA=="}),
        ("sendgrid", [sg("open")], {"X-Twilio-Email-Event-Webhook-Signature": "%"}),
        ("mailgun", mailgun("opened", at=time.time() - 40_000), {}),
        ("mailgun", {**mailgun("opened"), "signature": {"timestamp": []}}, {}),
        ("mailgun", {**mailgun("opened"), "signature": None}, {}),
        ("mailgun", [], {}),
        ("postmark", pm("Open"), {"Authorization": "Basic dXM6eA=="}),
        ("postmark", pm("Open"), {"Authorization": ""}),
        ("brevo", bv("click"), {"Authorization": "Bearer other"}),
        ("brevo", bv("click"), {"Authorization": "not-a-real-token"}),
    ],
)
def test_who_can_not_show_the_secret_is_turned_away(
    collector: Collector, name: str, body: Any, headers: dict[str, str]
) -> None:
    answer = deliver(collector, name, body, **headers)
    assert (answer.status_code, code(answer)) == (401, "bad_signature")
    assert collector.landed() == collector.landed("rejects") == []


@pytest.mark.parametrize(
    "wrong", [{"scheme": "token"}, {"scheme": "stripe", "token": {}}]
)
def test_a_token_belongs_to_its_scheme(wrong: dict[str, Any]) -> None:
    events = {"*": {"name": "E"}}
    with pytest.raises(ValidationError, match="scheme: token"):
        Webhook.model_validate({"secret": "${S}", "events": events, **wrong})
