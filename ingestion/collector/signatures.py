"""Whether a webhook comes from who it says: one function per signature scheme, over the body's bytes as they came.

Shopify and WooCommerce: base64 HMAC-SHA256 of the body. Stripe: hex HMAC-SHA256 of time and body, at most five minutes
old. Standard Webhooks: their own library. SendGrid: ECDSA of time and body, its public key is our secret. Mailgun: hex
HMAC-SHA256 of a time and a nonce in the body; it does not cover the rest of it. Anything else with an HMAC over the
body, or with a token in a header: as the source declares it.

Where this was read, on 2026-11-22 and in stored copies:
Shopify: shopify.dev/docs/apps/build/webhooks/verify-deliveries
WooCommerce: its source, plugins/woocommerce/includes/class-wc-webhook.php
Stripe: its libraries, `Webhook::Signature` of the Ruby one and `Webhooks` of the Node one
SendGrid: twilio.com/docs/sendgrid/for-developers/tracking-events/, getting-started-event-webhook-security-features
Mailgun: documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook as StandardWebhook

from ingestion.contracts.webhooks import Scheme, Webhook

TOLERANCE_SECONDS = 300
"""Older signatures may be somebody else's recording. It is also what the Standard Webhooks library allows."""

Headers = Mapping[str, str]
Check = Callable[[Webhook, str, Headers, bytes], bool]

MAILGUN_SECONDS = 9 * 3600
"""It sends again for eight hours (its page webhook-retries) and does not say that it signs anew."""

PING = re.compile(rb"webhook_id=\d{1,18}")


def is_signed(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    """Whether the body was signed with the secret. Header names are in lower case."""
    return SCHEMES[webhook.scheme](webhook, secret, headers, body)


def is_ping(webhook: Webhook, body: bytes) -> bool:
    """WooCommerce's unsigned question whether anybody is there; without a yes it does not switch the webhook on."""
    return webhook.scheme == "woocommerce" and bool(PING.fullmatch(body))


def _base64_of_body(header: str) -> Check:
    def check(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
        wanted = base64.b64encode(_hmac(secret, body, "sha256")).decode()
        return _same(headers.get(header, ""), wanted)

    return check


def _stripe(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    parts = [
        part.strip().partition("=")
        for part in headers.get("stripe-signature", "").split(",")
    ]
    times = [value for name, _, value in parts if name == "t"]
    offered = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        return False
    if abs(time.time() - int(times[0])) > TOLERANCE_SECONDS:
        return False
    wanted = _hmac(secret, times[0].encode() + b"." + body, "sha256").hex()
    return any(_same(each, wanted) for each in offered)


def _standard(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    try:
        StandardWebhook(secret).verify(body, dict(headers), json_parse=False)
    except Exception:  # its own errors, and whatever it stumbles over in odd headers
        return False
    return True


def _declared(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    assert webhook.signature is not None
    signature = webhook.signature
    digest = _hmac(secret, body, signature.algorithm)
    is_hex = signature.encoding == "hex"
    wanted = digest.hex() if is_hex else base64.b64encode(digest).decode()
    offered = headers.get(signature.header.lower(), "").strip()
    if not offered.startswith(signature.prefix):
        return False
    offered = offered.removeprefix(signature.prefix)
    return _same(offered.lower() if is_hex else offered, wanted)


def _sendgrid(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    """Times are not judged: a message is sent again for a day, and its id tells what was seen before."""
    name = "x-twilio-email-event-webhook-"
    signed = headers.get(f"{name}timestamp", "").encode("utf-8", "replace") + body
    try:
        key = serialization.load_der_public_key(base64.b64decode(secret))
        signature = base64.b64decode(headers.get(f"{name}signature", ""))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _mailgun(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    try:
        said = orjson.loads(body)["signature"]
        at, nonce, offered = (said[n] for n in ("timestamp", "token", "signature"))
        is_recent = abs(time.time() - int(at)) <= MAILGUN_SECONDS
    except (ValueError, KeyError, TypeError, OverflowError):
        return False
    wanted = _hmac(secret, f"{at}{nonce}".encode("utf-8", "replace"), "sha256").hex()
    return is_recent and _same(str(offered), wanted)


def _token(webhook: Webhook, secret: str, headers: Headers, body: bytes) -> bool:
    assert webhook.token is not None
    token = webhook.token
    wanted = f"{token.prefix}{secret}"
    if token.basic:
        wanted = f"Basic {base64.b64encode(secret.encode()).decode()}"
    return _same(headers.get(token.header.lower(), "").strip(), wanted)


SCHEMES: dict[Scheme, Check] = {
    "shopify": _base64_of_body("x-shopify-hmac-sha256"),
    "woocommerce": _base64_of_body("x-wc-webhook-signature"),
    "stripe": _stripe,
    "standard_webhooks": _standard,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "hmac": _declared,
    "token": _token,
}


def _hmac(secret: str, data: bytes, algorithm: str) -> bytes:
    return hmac.digest(secret.encode(), data, algorithm)


def _same(offered: str, wanted: str) -> bool:
    """In constant time; a header may hold anything."""
    return hmac.compare_digest(offered.encode("utf-8", "replace"), wanted.encode())
