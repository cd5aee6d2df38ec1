"""Mailchimp: members of an audience, and who of them is in a static segment (a tag).

mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe and .../list-segments/
batch-add-or-remove-members (read 2026-11). Entering takes two requests: the member with its merge fields, then the
segment. Leaving takes the person out of the segment and leaves the subscription alone. Failures of single members stand
in `errors` of a 200. Who unsubscribed at Mailchimp is refused there, which is right, and stays rejected.
"""

import base64
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from orchestration.destinations import egress
from orchestration.destinations.base import ActivationChange, Outcome, Sync
from orchestration.destinations.exchange import (
    HttpSettings,
    after_a_change,
    parsed,
    stopped,
)
from orchestration.destinations.http_destination import HttpDestination
from orchestration.destinations.identifiers import email

# lists/batch-subscribe-or-unsubscribe and list-segments/batch-add-or-remove-members, read 2026-11. There is no rate to
# keep: the limit is ten connections at once, and a sync has one.
MAX_MEMBERS = 500


class MailchimpSettings(HttpSettings):
    kind: Literal["mailchimp"]
    url: str = Field(description="https://<dc>.api.mailchimp.com/3.0, dc as in the key")
    api_key: SecretStr
    list_id: str = Field(pattern=r"^[0-9a-zA-Z]+$")
    segment_id: str = Field(pattern=r"^[0-9]+$", description="A static segment (tag).")
    merge_fields: dict[str, str] = Field(
        default={}, description="Attribute → merge tag; other attributes are not sent."
    )
    consented_purposes: tuple[str, ...] = Field(
        default=("marketing",),
        description="Purposes whose consent is a subscription; nobody else is sent.",
    )
    batch_size: int = Field(default=MAX_MEMBERS, ge=1, le=MAX_MEMBERS)


class _Failed(BaseModel):
    email_address: str
    error: str = ""
    error_code: str = ""


class _Subscribed(BaseModel):
    errors: list[_Failed]


class _NotSegmented(BaseModel):
    email_addresses: list[str] = []
    error: str = ""


class _Segmented(BaseModel):
    errors: list[_NotSegmented]


class MailchimpDestination(HttpDestination):
    """See the module's docstring."""

    def __init__(
        self, settings: MailchimpSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        key = f"any:{settings.api_key.get_secret_value()}".encode()
        self._headers = {"authorization": f"Basic {base64.b64encode(key).decode()}"}

    def identify(self, change: ActivationChange) -> str:
        return email(change.handle if change.action == "exit" else change.recipient_key)

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        if verb == "remove":
            # Who is not in the audience is in none of its segments, so an error about them is no failure.
            self._segment({"members_to_remove": list(people)})
            return {name: Outcome("delivered", 200, handle=name) for name in people}
        if sync.purpose not in self._settings.consented_purposes:
            raise stopped(
                f"{self.name} subscribes people, and the sync's purpose is {sync.purpose}"
            )
        outcomes = self._subscribe(people)
        subscribed = [name for name in people if name not in outcomes]
        if not subscribed:
            return outcomes
        with after_a_change():
            segmented = self._segment({"members_to_add": subscribed})
        outside = {name for each in segmented.errors for name in each.email_addresses}
        return outcomes | {
            name: Outcome(
                "unknown" if name in outside else "delivered", 200, handle=name
            )
            for name in subscribed
        }

    def _subscribe(self, people: Mapping[str, ActivationChange]) -> dict[str, Outcome]:
        """The outcomes of those who failed."""
        members = [
            {
                "email_address": name,
                "status": "subscribed",
                "merge_fields": self._fields(change),
            }
            for name, change in people.items()
        ]
        message = {"members": members, "update_existing": True}
        reply = self._ask(f"/lists/{self._settings.list_id}", message)
        return {
            each.email_address.lower(): Outcome(
                "rejected", 200, f"{each.error_code} {each.error}".strip()[:200]
            )
            for each in parsed(_Subscribed, reply).errors
        }

    def _fields(self, change: ActivationChange) -> dict[str, Any]:
        payload = change.payload or {}
        return {
            tag: "" if payload.get(name) is None else payload[name]
            for name, tag in self._settings.merge_fields.items()
        }

    def _segment(self, message: dict[str, list[str]]) -> _Segmented:
        settings = self._settings
        path = f"/lists/{settings.list_id}/segments/{settings.segment_id}"
        return parsed(_Segmented, self._ask(path, message))

    def _ask(self, path: str, message: Any) -> Any:
        return self.http.ask_json("POST", path, message, self._headers)
