"""For each kind of destination: its fake, a declaration that fits it, and what the fake should hold for whom.

The shared tests of destinations go through these; a new kind needs one entry.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.destinations.base import Sync
from tests.changes import SYNC
from tests.chaos_receiver import SECRET
from tests.fakes import (
    braze,
    criteo,
    dynamics,
    files,
    google,
    hubspot,
    klaviyo,
    mailchimp,
    meta,
    slack,
    webhook,
)
from tests.fakes.server import TOKEN, Fake

Payload = Mapping[str, Any]


def _email(key: str) -> str:
    """An address that Google writes otherwise than everybody else."""
    return f"{key[0]}.{key[1:]}+list@gmail.com"


def _guid(key: str) -> str:
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _cookie(key: str) -> str:
    return f"gum_{key}_00000000"


def _google(address: str) -> str:
    local = address.removesuffix("+list@gmail.com").replace(".", "")
    return _sha256(f"{local}@gmail.com")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Case:
    """`name` makes a recipient's key of a short name; `there` and `told` are what the fake has of a key and a payload."""

    fake: Callable[[], Fake]
    declared: dict[str, Any]
    recipient_type: str = "email"
    sync: dict[str, Any] = field(default_factory=dict)
    name: Callable[[str], str] = _email
    there: Callable[[str], str] = lambda key: key
    told: Callable[[Payload], Any] = dict
    at: str = ""
    is_asynchronous: bool = False
    is_http: bool = True

    def settings(self, kind: str, url: str, **changed: Any) -> dict[str, Any]:
        """The declaration for destinations.yml, with the fake's address in it."""
        local: dict[str, Any] = {}
        if self.is_http:
            local = {"url": url + self.at, "allow_loopback": ["127.0.0.1"]}
        entry = {"name": "tool", "kind": kind, **self.declared, **local, **changed}
        if "access" in entry:
            access = entry["access"]
            entry["access"] = {**access, "token_url": url + access["token_url"]}
        return entry

    def a_sync(self, **changed: Any) -> Sync:
        given = {"recipient_type": self.recipient_type, **self.sync, **changed}
        return SYNC.model_copy(update=given)


def _access(token_url: str, **more: str) -> dict[str, str]:
    return {
        "token_url": token_url,
        "client_id": "us",
        "client_secret": TOKEN,
        **more,
    }


def _text(payload: Payload) -> dict[str, str]:
    return {name: str(value) for name, value in payload.items()}


CASES: dict[str, Case] = {
    "webhook": Case(
        webhook.Receiver,
        {"secret": SECRET},
        recipient_type="user_id",
        name=str,
    ),
    "file_drop": Case(
        files.Reader, {}, recipient_type="user_id", name=str, is_http=False
    ),
    "braze": Case(
        braze.Braze, {"api_key": TOKEN, "attribute": braze.ATTRIBUTE, "event": "left"}
    ),
    "criteo": Case(
        criteo.Criteo,
        {
            "access": _access("/oauth2/token"),
            "segment_id": criteo.SEGMENT,
            "gum_caller_id": criteo.CALLER,
        },
        recipient_type="anonymous_id",
        name=_cookie,
        told=lambda _: {},
    ),
    "dynamics": Case(
        dynamics.Dynamics,
        {
            "access": _access(
                "/tenant/oauth2/v2.0/token",
                scope="https://shop.crm4.dynamics.com/.default",
            ),
            "trigger": dynamics.TRIGGER,
            "attributes": ["orders"],
        },
        recipient_type="user_id",
        name=_guid,
    ),
    "google": Case(
        google.Google,
        {
            "access": _access("/token", refresh_token=google.REFRESH),
            "project": "shop",
            "account_id": google.ACCOUNT,
            "user_list_id": google.LIST,
        },
        sync={"purpose": "advertising"},
        there=_google,
        told=lambda _: {},
        at="/v1",
        is_asynchronous=True,
    ),
    "hubspot": Case(
        hubspot.HubSpot,
        {
            "account": "7",
            "access_token": TOKEN,
            "list_id": hubspot.LIST,
            "event": hubspot.EVENT,
        },
        told=_text,
    ),
    "klaviyo": Case(
        klaviyo.Klaviyo,
        {
            "account": "AbC",
            "api_key": TOKEN,
            "list_id": klaviyo.LIST,
            "metric": "Cart left",
        },
        at="/api",
        is_asynchronous=True,
    ),
    "mailchimp": Case(
        mailchimp.Mailchimp,
        {
            "api_key": TOKEN,
            "list_id": mailchimp.LIST,
            "segment_id": mailchimp.SEGMENT,
            "merge_fields": {"orders": "ORDERS"},
        },
        sync={"purpose": "marketing"},
        told=lambda payload: {"ORDERS": payload["orders"]},
        at="/3.0",
    ),
    "meta": Case(
        meta.Meta,
        {"audience_id": meta.AUDIENCE, "access_token": TOKEN},
        there=_sha256,
        told=lambda _: {},
        at="/v25.0",
    ),
    "slack": Case(
        slack.Slack, {"path": slack.PATH, "attributes": ["orders"]}, name=str
    ),
}
