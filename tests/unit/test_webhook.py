"""The webhook destination against real sockets on loopback."""

import base64
import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from orchestration.destinations.webhook import WebhookDestination, WebhookSettings
from tests.changes import SYNC, change
from tests.chaos_receiver import SECRET, ChaosReceiver, answer

CHANGES = [change("ada"), change("bo", "update"), change("cy", "exit")]


@pytest.fixture
def receiver() -> Iterator[ChaosReceiver]:
    with ChaosReceiver() as listening:
        yield listening


def destination(url: str, **settings: object) -> WebhookDestination:
    values = {
        "name": "tool",
        "kind": "webhook",
        "url": url,
        "secret": SECRET,
        "allow_loopback": ["127.0.0.1"],
        "answer_seconds": 0.25,
    }
    return WebhookDestination(WebhookSettings.model_validate({**values, **settings}))


def sent(url: str, **settings: object):
    made = destination(url, **settings)
    try:
        return made.send(SYNC, CHANGES)
    finally:
        made.close()


def kinds(given) -> list[str]:
    return [given.outcomes[each.op_id].kind for each in CHANGES]


def test_a_signed_message_says_who_enters_who_changes_and_who_leaves(receiver):
    assert kinds(sent(receiver.url)) == ["delivered"] * 3
    message = receiver.requests[0]["body"]
    assert message["type"] == "audience.changed"
    assert message["data"]["sync"] == SYNC.sync_name
    assert message["data"]["recipient_type"] == "user_id"
    assert message["data"]["changes"] == [
        {
            "op_id": each.op_id,
            "action": each.action,
            "recipient": each.recipient_key,
            "generation": 0,
            "attributes": each.payload,
        }
        for each in CHANGES
    ]


def test_the_verifier_refuses_the_message_under_another_secret(receiver):
    sent(receiver.url)
    request = receiver.requests[0]
    other = Webhook("whsec_" + base64.b64encode(b"somebody else's").decode())
    with pytest.raises(WebhookVerificationError):
        other.verify(json.dumps(request["body"]), request["headers"])


def test_the_message_id_is_the_same_for_the_same_operations_and_else_another(receiver):
    made = destination(receiver.url)
    for changes in (CHANGES, CHANGES, CHANGES[:1]):
        made.send(SYNC, changes)
    made.close()
    first, again, other = (r["headers"]["webhook-id"] for r in receiver.requests)
    assert first == again != other


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("applied_then_reset", ["unknown"] * 3),
        ("reset", ["unknown"] * 3),
        ("applied_then_late", ["unknown"] * 3),
        ("drip", ["unknown"] * 3),
        ("applied_then_error", ["unknown"] * 3),
        ("garbled", ["unknown"] * 3),
        ("throttled", ["retry"] * 3),
        ("busy", ["retry"] * 3),
        ("partly", ["delivered", "retry", "delivered"]),
    ],
)
def test_each_fault_of_a_receiver_becomes_the_outcome_it_proves(
    receiver, fault, expected
):
    receiver.script = lambda _: fault
    assert kinds(sent(receiver.url)) == expected


def test_a_redirect_is_not_followed(receiver):
    moved = lambda r, h, c: answer(h, 307, location=receiver.url)  # noqa: E731
    receiver.script = lambda _: moved
    given = sent(receiver.url)
    assert "redirects" in given.stop
    assert len(receiver.requests) == 1


def test_a_report_about_an_operation_we_did_not_send_proves_nothing(receiver):
    report = {"failed": [{"op_id": "somebody else's", "status": "retry"}]}
    text = json.dumps(report)
    foreign = lambda r, h, c: answer(h, 200, text, content_type="application/json")  # noqa: E731
    receiver.script = lambda _: foreign
    assert kinds(sent(receiver.url)) == ["unknown"] * 3


def test_an_endless_answer_is_cut_off(receiver):
    endless = lambda r, h, c: answer(h, 200, "x" * 1_000_000)  # noqa: E731
    receiver.script = lambda _: endless
    assert kinds(sent(receiver.url)) == ["unknown"] * 3


def test_a_closed_port_is_tried_again_later(receiver):
    closed = destination("http://127.0.0.1:1/hook")
    assert kinds(closed.send(SYNC, CHANGES)) == ["retry"] * 3
    closed.close()


def test_without_the_allow_list_loopback_is_refused_and_nothing_is_sent(receiver):
    given = sent(receiver.url, allow_loopback=[])
    assert kinds(given) == ["retry"] * 3
    assert "not https" in given.stop
    assert receiver.requests == []


def test_a_name_that_resolves_inwards_is_refused_before_anything_is_sent(receiver):
    settings = WebhookSettings(
        name="tool", kind="webhook", url="https://innocent.example/hook", secret=SECRET
    )
    made = WebhookDestination(settings, resolver=lambda host, port: ["127.0.0.1"])
    given = made.send(SYNC, CHANGES)
    made.close()
    assert kinds(given) == ["retry"] * 3
    assert "not public" in given.stop


def test_a_secret_that_cannot_sign_is_refused_when_it_is_declared():
    with pytest.raises(ValidationError, match="whsec_"):
        WebhookSettings(
            name="tool", kind="webhook", url="https://a.example", secret="whsec_"
        )


def test_the_secret_is_not_shown():
    settings = WebhookSettings(
        name="tool", kind="webhook", url="https://a.example", secret=SECRET
    )
    assert SECRET not in repr(settings)
