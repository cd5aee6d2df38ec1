"""Webhooks of other systems: signed by their scheme or turned away, mapped to our events, nothing dropped."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as StandardWebhook

from ingestion.collector.limits import Limits
from ingestion.collector.rejects import UNKEPT, Filter, Replay, replay_landed
from ingestion.collector.webhooks import (
    WebhookSource,
    message_events,
    missing_secrets,
)
from ingestion.connectors import SourceError, load_source, load_sources
from ingestion.contracts.shapes import Origin
from ingestion.contracts.webhooks import Webhook
from ingestion.front_door import webhook_sources
from tests.conftest import ROOT
from tests.unit.test_collector import Collector, code

SECRET = "not-a-real-secret"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"not a real secret").decode()
EXAMPLES = ROOT / "sources" / "examples"

Sign = Callable[[bytes], dict[str, str]]


def digest(body: bytes) -> bytes:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).digest()


def shopify(body: bytes, topic: str = "orders/create") -> dict[str, str]:
    signature = base64.b64encode(digest(body)).decode()
    return {
        "X-Shopify-Hmac-Sha256": signature,
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": "w-1",
    }


def woocommerce(body: bytes, topic: str = "order.created") -> dict[str, str]:
    signature = base64.b64encode(digest(body)).decode()
    return {
        "X-WC-Webhook-Signature": signature,
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Delivery-ID": "d-1",
    }


def stripe(body: bytes, age: float = 0) -> dict[str, str]:
    at = int(time.time() - age)
    signature = digest(f"{at}.".encode() + body).hex()
    return {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={signature},v0=x"}


def standard(body: bytes) -> dict[str, str]:
    now = datetime.now(UTC)
    signer = StandardWebhook(STANDARD_SECRET)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": "v0,x " + signer.sign("msg_1", now, body.decode()),
    }


def survey(body: bytes) -> dict[str, str]:
    return {"X-Signature": "sha256=" + digest(body).hex().upper()}


SIGN: dict[str, Sign] = {
    "shopify": shopify,
    "woocommerce": woocommerce,
    "stripe": stripe,
    "mailing_tool": standard,
    "survey_tool": survey,
}


def all_sources() -> dict[str, WebhookSource]:
    declared = [*load_sources(EXAMPLES), *load_sources(ROOT / "sources")]
    found = webhook_sources(declared)
    return {
        name: WebhookSource(
            name, each.webhook, STANDARD_SECRET if name == "mailing_tool" else SECRET
        )
        for name, each in found.items()
    }


SOURCES = all_sources()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, webhooks=SOURCES) as made:
        yield made


def deliver(collector: Collector, source: str, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = {**SIGN[source](raw), **headers}
    return collector.send("POST", f"/webhooks/{source}", content=raw, headers=signed)


ORDER = {
    "id": 8812,
    "name": "#1001",
    "created_at": "2026-01-31T12:00:00+01:00",
    "email": "ada@example.com",
    "phone": None,
    "currency": "EUR",
    "total_price": "149.99",
    "customer": {"id": 7},
    "line_items": [
        {"product_id": 1, "title": "Pot", "price": "100.00", "quantity": 1},
        {"product_id": 2, "title": "Lid", "price": "49.99", "quantity": 1},
    ],
    "note_attributes": [{"name": str(n), "value": "x"} for n in range(600)],
}
BODIES: dict[str, Any] = {
    "shopify": ORDER,
    "woocommerce": {"id": 1, "total": "5.00", "billing": {"email": "a@b.c"}},
    "stripe": {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "created": 1769860800,
        "data": {"object": {"id": "cs_1", "amount_total": 14999, "currency": "eur"}},
    },
    "mailing_tool": {
        "type": "email.opened",
        "timestamp": "2026-01-31T12:00:00Z",
        "data": {"recipient": "ada@example.com", "campaign": "january"},
    },
    "survey_tool": {"answers": [{"kind": "nps", "customer": "u-1", "score": 9}]},
}


# Signatures


@pytest.mark.parametrize("source", sorted(SIGN))
def test_a_signed_message_becomes_an_event_of_its_source(
    collector: Collector, source: str
) -> None:
    answer = deliver(collector, source, BODIES[source])
    assert answer.status_code == 200
    (row,) = collector.landed()
    (result,) = answer.json()["results"]
    assert result["status"] == "accepted"
    assert result["event_ids"] == [row["event_id"]]
    assert (row["source_id"], row["channel"]) == (source, "webhook")


@pytest.mark.parametrize("source", sorted(SIGN))
def test_a_changed_body_or_signature_is_turned_away_and_not_kept(
    collector: Collector, source: str
) -> None:
    raw = json.dumps(BODIES[source]).encode()
    signed = SIGN[source](raw)
    forged = [
        (raw + b" ", signed),
        (raw, {}),
        (raw, dict.fromkeys(signed, "")),
        (raw, {name: "Grüße ✓".encode().decode("latin-1") for name in signed}),
        (raw, {name: value.replace("=", ",") for name, value in signed.items()}),
        (b"\xff", signed),
    ]
    for body, headers in forged:
        answer = collector.send(
            "POST",
            f"/webhooks/{source}",
            content=body,
            headers=[
                (name, value.encode("latin-1")) for name, value in headers.items()
            ],
        )
        assert (answer.status_code, code(answer)) == (401, "bad_signature")
    assert collector.landed() == collector.landed("rejects") == []


@pytest.mark.parametrize("age", [301, -301])
def test_a_recorded_stripe_message_is_turned_away(
    collector: Collector, age: float
) -> None:
    raw = json.dumps(BODIES["stripe"]).encode()
    answer = deliver(collector, "stripe", raw, **stripe(raw, age))
    assert answer.status_code == 401


def test_a_standard_webhook_with_an_old_time_is_turned_away(
    collector: Collector,
) -> None:
    raw = json.dumps(BODIES["mailing_tool"]).encode()
    old = datetime.fromtimestamp(time.time() - 400, UTC)
    signature = StandardWebhook(STANDARD_SECRET).sign("msg_1", old, raw.decode())
    headers = {
        "webhook-timestamp": str(int(old.timestamp())),
        "webhook-signature": signature,
    }
    assert deliver(collector, "mailing_tool", raw, **headers).status_code == 401


def test_a_missing_secret_asks_to_come_back_and_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLRACE_SHOPIFY_WEBHOOK_SECRET", raising=False)
    sources = webhook_sources([load_source(EXAMPLES / "shopify.yml")])
    (told,) = missing_secrets(sources)
    assert "MILLRACE_SHOPIFY_WEBHOOK_SECRET is not set" in told
    with Collector(tmp_path, webhooks=sources) as collector:
        answer = deliver(collector, "shopify", ORDER)
    assert (answer.status_code, code(answer)) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_secret_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILLRACE_SHOPIFY_WEBHOOK_SECRET", SECRET)
    sources = webhook_sources([load_source(EXAMPLES / "shopify.yml")])
    assert sources["shopify"].secret == SECRET


@pytest.mark.parametrize("name", ["nobody", "web_shop"])
def test_a_source_without_webhooks_is_unknown(collector: Collector, name: str) -> None:
    answer = collector.post(f"/webhooks/{name}", {})
    assert (answer.status_code, code(answer)) == (404, "unknown_webhook")


def test_a_new_woocommerce_webhook_asks_whether_anybody_is_there(
    collector: Collector,
) -> None:
    answer = collector.send("POST", "/webhooks/woocommerce", content=b"webhook_id=12")
    assert answer.status_code == 200
    answer = collector.send("POST", "/webhooks/shopify", content=b"webhook_id=12")
    assert answer.status_code == 401
    assert collector.landed() == collector.landed("rejects") == []


# Mapping


def test_a_shopify_order_becomes_a_completed_order(collector: Collector) -> None:
    deliver(collector, "shopify", ORDER)
    (row,) = collector.landed()
    assert (row["type"], row["name"], row["event_id"]) == (
        "track",
        "Order Completed",
        "w-1",
    )
    assert row["occurred_at"] == "2026-01-31T11:00:00Z"
    assert row["identifiers"] == [
        {"type": "email", "value": "ada@example.com"},
        {"type": "shopify_customer_id", "value": "7"},
    ]
    products = row["properties"].pop("products")
    assert row["properties"] == {
        "order_id": 8812,
        "order_number": "#1001",
        "currency": "EUR",
        "total": "149.99",
    }
    assert products[1] == {
        "product_id": 2,
        "name": "Lid",
        "price": "49.99",
        "quantity": 1,
    }
    assert row["context"]["webhook"] == {"topic": "orders/create"}


@pytest.mark.parametrize(
    ("currency", "total"),
    [
        ("eur", "149.99"),
        ("JPY", "14999"),
        ("kwd", "14.999"),
        ("UGX", "149.99"),
        (None, "149.99"),
    ],
)
def test_stripes_smallest_units_become_money(
    collector: Collector, currency: str | None, total: str
) -> None:
    session = {"id": "cs_1", "amount_total": 14999, "currency": currency}
    body = {**BODIES["stripe"], "data": {"object": session}}
    deliver(collector, "stripe", body)
    (row,) = collector.landed()
    assert row["properties"]["total"] == total
    assert row["occurred_at"] == "2026-01-31T12:00:00Z"
    assert row["event_id"] == "evt_1"


def test_a_permanent_bounce_and_a_complaint_are_denials_and_a_soft_bounce_is_none(
    collector: Collector,
) -> None:
    denied = {"marketing": {"email": "denied"}}
    for topic, kind, consent in (
        ("email.bounced", "hard", denied),
        ("email.bounced", "permanent", denied),
        ("email.bounced", "soft", {}),
        ("email.complained", None, denied),
        ("email.unsubscribed", None, denied),
    ):
        body = {"type": topic, "data": {"recipient": "ada@example.com", "kind": kind}}
        deliver(collector, "mailing_tool", body)
        row = collector.landed()[-1]
        assert (row["consent"] or {}) == consent, (topic, kind)
        assert row["identifiers"] == [{"type": "email", "value": "ada@example.com"}]


def test_orders_that_woocommerce_sends_in_one_second_are_events_of_their_own(
    collector: Collector,
) -> None:
    for number in (1, 2, 1):
        deliver(collector, "woocommerce", {**BODIES["woocommerce"], "id": number})
    raw = json.dumps({"id": 1}).encode()
    for topic in ("order.created", "order.deleted"):
        deliver(collector, "woocommerce", raw, **woocommerce(raw, topic))
    first, second, again, created, deleted = collector.landed()
    assert first["event_id"] == again["event_id"] != second["event_id"]
    assert created["event_id"] != deleted["event_id"]


def test_shopify_tells_of_consent_apart_from_the_customer(collector: Collector) -> None:
    said = {"state": "unsubscribed", "consent_updated_at": "2026-01-31T12:00:00+01:00"}
    raw = json.dumps(
        {
            "customer_id": 7,
            "email_address": "ada@example.com",
            "email_marketing_consent": said,
        }
    ).encode()
    topic = "customers_email_marketing_consent/update"
    deliver(collector, "shopify", raw, **shopify(raw, topic))
    (row,) = collector.landed()
    assert row["consent"] == {"marketing": {"email": "unsubscribed"}}
    assert row["occurred_at"] == "2026-01-31T11:00:00Z"


def test_a_refund_is_all_of_its_transactions_that_did_not_fail(
    collector: Collector,
) -> None:
    paid = [("refund", "success", "10.10"), ("refund", "pending", "0.20")]
    others = [("refund", "failure", "7.00"), ("void", "success", "9.00")]
    for given, amount in (([*paid, *others], "10.30"), (others, "0"), ([], "0")):
        transactions = [
            {"kind": kind, "status": status, "amount": said, "currency": "EUR"}
            for kind, status, said in given
        ]
        body = {"id": 1, "order_id": 8812, "transactions": transactions}
        raw = json.dumps(body).encode()
        deliver(collector, "shopify", raw, **shopify(raw, "refunds/create"))
        properties = collector.landed()[-1]["properties"]
        assert properties["amount"] == amount
    transactions = [{"kind": "refund", "status": "success", "amount": "much"}]
    raw = json.dumps({"id": 1, "transactions": transactions}).encode()
    answer = deliver(collector, "shopify", raw, **shopify(raw, "refunds/create"))
    assert answer.json()["results"][0]["errors"][0]["path"] == "amount"


def test_a_message_that_means_nothing_this_time_is_ignored(
    collector: Collector,
) -> None:
    order: dict[str, Any] = {"id": 3, "status": "processing", "refunds": []}
    refunds = [{"id": 9, "total": "-1.50"}, {"id": 10, "total": "-2.00"}]
    for change, status, names in (
        ({}, "ignored", []),
        ({"refunds": refunds}, "accepted", ["Order Refunded"]),
        ({"status": "cancelled"}, "accepted", ["Order Cancelled"]),
    ):
        raw = json.dumps({**order, **change}).encode()
        before = len(collector.landed())
        signed = woocommerce(raw, "order.updated")
        answer = deliver(collector, "woocommerce", raw, **signed)
        assert answer.json()["results"][0]["status"] == status
        assert [row["name"] for row in collector.landed()[before:]] == names
    refunded = collector.landed()[0]["properties"]
    assert (refunded["refund_id"], refunded["amount"]) == (3, "-3.50")


def test_a_message_can_become_two_events_with_ids_of_their_own(
    collector: Collector,
) -> None:
    fields = {"email": "ada@example.com", "first_name": "Ada", "newsletter": "granted"}
    body = {"type": "form.submitted", "data": {"form": {"id": 3}, "fields": fields}}
    deliver(collector, "mailing_tool", body)
    submitted, identified = collector.landed()
    assert submitted["event_id"] == "msg_1"
    assert identified["event_id"] == "msg_1:event-2"
    assert identified["traits"] == {"email": "ada@example.com", "first_name": "Ada"}
    assert identified["consent"] == {"marketing": {"email": "granted"}}


def test_each_message_of_a_request_has_a_result_of_its_own(
    collector: Collector,
) -> None:
    answers = [
        {"kind": "nps", "answer_id": "a", "customer": "u-1", "score": 9},
        {"kind": "nps", "answer_id": "b", "customer": ["u-1"]},
        7,
        {"kind": "free text", "customer": "u-2", "text": "Fine"},
    ]
    answer = deliver(collector, "survey_tool", {"answers": answers})
    assert answer.status_code == 200
    statuses = [each["status"] for each in answer.json()["results"]]
    assert statuses == ["accepted", "rejected", "rejected", "accepted"]
    first, last = collector.landed()
    assert first["properties"] == {"score": 9, "source": "survey_tool"}
    assert last["name"] == "Survey Answered"
    assert last["properties"] == answers[3]
    assert [each["item"] for each in collector.landed("rejects")] == [1, 2]
    assert json.loads(collector.landed("rejects")[0]["raw"]) == answers[1]


def test_what_is_sent_again_without_an_id_is_the_same_event(
    collector: Collector,
) -> None:
    body = {"answers": [{"kind": "nps", "customer": "u"}] * 2}
    for _ in range(2):
        deliver(collector, "survey_tool", body)
    ids = [row["event_id"] for row in collector.landed()]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


def test_an_ignored_topic_is_counted_and_an_unmapped_one_is_kept(
    collector: Collector, tmp_path: Path
) -> None:
    raw = json.dumps(ORDER).encode()
    answer = deliver(collector, "shopify", raw, **shopify(raw, "orders/updated"))
    assert answer.json()["results"][0]["status"] == "ignored"
    (counted,) = collector.landed("rejects")
    assert (counted["code"], counted["raw"]) == ("ignored_topic", "")
    assert counted["detail"] == (
        "header:X-Shopify-Topic: topic 'orders/updated' is ignored by shopify"
    )
    reader = Replay({}, SOURCES)
    result = replay_landed(tmp_path, collector.root, Filter(), reader)
    assert [why for _, why in result.skipped] == [UNKEPT]
    answer = deliver(collector, "shopify", raw, **shopify(raw, "carts/update"))
    assert answer.status_code == 200
    assert answer.json()["results"][0]["code"] == "unmapped_topic"
    _, kept = collector.landed("rejects")
    assert kept["raw"].encode() == raw
    assert kept["envelope"]["headers"]["x-shopify-topic"] == "carts/update"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"not json", "invalid_json"),
        (b'{"answers": NaN}', "invalid_json"),
        (b'{"answers": 7}', "invalid_webhook"),
        (b'{"answers": ' + b"[" * 1000 + b"]" * 1000 + b"}", None),
        (b'{"answers": [{"kind": ' + b"[" * 999 + b"]" * 999 + b"}]}", None),
        (b'{"answers": [{"kind": "nps", "at": "soon"}]}', None),
    ],
)
def test_a_signed_message_that_makes_no_sense_is_kept_and_never_a_crash(
    collector: Collector, body: bytes, expected: str | None
) -> None:
    answer = deliver(collector, "survey_tool", body)
    assert answer.status_code == (400 if expected else 200)
    if expected:
        assert code(answer) == expected
    assert collector.landed() == []
    assert len(collector.landed("rejects")) == 1


@pytest.mark.parametrize("amount", [True, "many", "1e400", 10**20, [1], {}])
def test_an_amount_that_is_none_is_refused(collector: Collector, amount: Any) -> None:
    session = {"id": "cs_1", "amount_total": amount, "currency": "eur"}
    body = {**BODIES["stripe"], "data": {"object": session}}
    answer = deliver(collector, "stripe", body)
    assert answer.json()["results"][0]["errors"][0]["path"] == "amount_total"


def test_a_topic_that_was_mapped_later_is_replayed(
    collector: Collector, tmp_path: Path
) -> None:
    raw = json.dumps(ORDER).encode()
    deliver(collector, "shopify", raw, **shopify(raw, "orders/paid"))
    webhook = SOURCES["shopify"].webhook
    paid = {**webhook.events, "orders/paid": webhook.events["orders/create"]}
    later = webhook.model_copy(update={"events": paid})
    reader = Replay({}, {"shopify": WebhookSource("shopify", later, SECRET)})
    for expected in (1, 0):
        result = replay_landed(tmp_path, collector.root, Filter(), reader)
        assert result.events == expected
    (row,) = collector.landed()
    assert (row["event_id"], row["channel"]) == ("w-1", "webhook")
    (kept,) = collector.landed("rejects")
    assert row["received_at"] == kept["received_at"]


# Declarations


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("${MILLRACE_SURVEY_TOOL_WEBHOOK_SECRET}", "hunter2", "`webhook.secret`"),
        ("scheme: hmac", "scheme: md5", "`webhook.scheme` is 'md5'"),
        ("scheme: hmac", "scheme: stripe", "the other schemes bring their own"),
        ("  topic: kind\n", "", "`topic` has to say where"),
        ("      name: NPS Answered\n", "", "needs `name`, such as"),
        ("score: score", "a: score, a.b: score", "can't be a value and hold others"),
        ("{constant: survey_tool}", "{unit: minor, path: a}", "needs `currency`"),
        ("{constant: survey_tool}", "{path: a, constant: b}", "either `path` or"),
        ("messages: answers", "mesages: answers", "`webhook.mesages` is unknown"),
        ("{constant: survey_tool}", "{path: a, where: {b: c}}", "among members"),
        ("{constant: survey_tool}", "{path: a, sum: b, each: {c: d}}", "`each` or"),
    ],
)
def test_a_mistaken_webhook_is_told_with_file_field_and_remedy(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = (EXAMPLES / "survey_tool.yml").read_text()
    assert old in text
    (tmp_path / "survey_tool.yml").write_text(text.replace(old, new, 1))
    with pytest.raises(SourceError) as caught:
        load_sources(tmp_path)
    assert "survey_tool.yml" in str(caught.value)
    assert says in str(caught.value)


def said(topic: str, webhook: Webhook) -> tuple[dict[str, Any], dict[str, str]]:
    """A message that says nothing but its topic, and its headers."""
    path = webhook.places.topic or "type"
    if path.startswith("header:"):
        return {}, {path.removeprefix("header:").lower(): topic}
    *parents, leaf = path.split(".")
    body: dict[str, Any] = {leaf: topic}
    for parent in reversed(parents):
        body = {parent: body}
    return body, {}


def test_every_mapped_topic_of_what_ships_reads_an_empty_message_without_a_crash() -> (
    None
):
    for name, source in SOURCES.items():
        for topic, mapped in source.webhook.events.items():
            body, headers = said(topic, source.webhook)
            now = datetime.now(UTC)
            origin = Origin(name, now, "webhook", f"/webhooks/{name}", headers=headers)
            events = message_events(body, source.webhook, origin, Limits(), None)
            always = [each for each in mapped if not each.where]
            assert len(events) == len(always), (name, topic)
