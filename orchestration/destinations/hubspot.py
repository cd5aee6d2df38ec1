"""HubSpot: contacts by e-mail address, membership in a list, triggers as custom events.

developers.hubspot.com/docs/api-reference/2026-03/crm/objects/contacts/batch/upsert-contacts and .../crm/lists/memberships/
update-list-memberships (read 2026-11). Entering takes two requests: the contacts, then the list, which knows records only
(it must be MANUAL or SNAPSHOT). Who left is taken off the list by the record id that the entry brought, or by an id looked
up first. Contacts stay in the CRM, and nobody is ever deleted: HubSpot's GDPR delete blocks the address for good.
"""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field, SecretStr

from orchestration.destinations import egress
from orchestration.destinations.base import (
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Outcome,
    Pace,
    Sync,
)
from orchestration.destinations.exchange import (
    HttpSettings,
    after_a_change,
    changing_nothing,
    parsed,
    unclear,
)
from orchestration.destinations.http_destination import HttpDestination
from orchestration.destinations.identifiers import email

# Contacts a batch: crm/objects/contacts/guide, read 2026-11.
MAX_CONTACTS = 100
# Of the smallest subscriptions, per app and account: developer-tooling/platform/usage-guidelines, read 2026-11. Halved,
# as one of our batches takes two requests.
BATCHES, SECONDS = 50, 10.0
CONTACTS = "/crm/objects/2026-03/contacts/batch"


class HubSpotSettings(HttpSettings):
    kind: Literal["hubspot"]
    url: str = "https://api.hubapi.com"
    account: str = Field(description="The account (hub) id; limits are per account.")
    access_token: SecretStr
    list_id: str = Field(pattern=r"^[0-9]+$")
    event: str | None = Field(
        default=None,
        description="Full name of the custom event of triggers (pe…_name); without it the destination takes none.",
    )
    batch_size: int = Field(default=MAX_CONTACTS, ge=1, le=MAX_CONTACTS)


class _Result(BaseModel):
    id: str
    objectWriteTraceId: str | None = None  # noqa: N815 - HubSpot's name
    properties: dict[str, Any] = {}

    def address(self) -> str:
        return str(self.properties.get("email") or "").lower()


class _Error(BaseModel):
    message: str = ""
    context: dict[str, Any] = {}

    def names(self) -> list[str]:
        """Whom it is about: by the trace ids of the inputs, else by their ids."""
        traced = self.context.get("objectWriteTraceId") or self.context.get("ids")
        return [str(each) for each in traced] if isinstance(traced, list) else []


class _Batch(BaseModel):
    results: list[_Result]
    errors: list[_Error] = []


class _Listed(BaseModel):
    recordIdsMissing: list[str]  # noqa: N815 - HubSpot's name


class HubSpotDestination(HttpDestination):
    """See the module's docstring."""

    updates_only = True

    def __init__(
        self, settings: HubSpotSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        token = settings.access_token.get_secret_value()
        self._headers = {"authorization": f"Bearer {token}"}
        self._members = (
            f"/crm/lists/2026-03/{settings.list_id}/memberships/add-and-remove"
        )
        self.pace = Pace(BATCHES, SECONDS, f"hubspot {settings.account}")
        triggers: frozenset[Action] = frozenset({"trigger"} if settings.event else ())
        self.actions = STATE_ACTIONS | triggers

    def identify(self, change: ActivationChange) -> str:
        if change.action == "exit":
            return change.handle if change.handle.isdigit() else email(change.handle)
        return email(change.recipient_key)

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        if verb == "trigger":
            return self._trigger(people)
        if verb == "remove":
            return self._remove(people)
        return self._add("update" if sync.mode == "update" else "upsert", people)

    def _add(
        self, way: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        inputs = [
            {
                "id": address,
                "idProperty": "email",
                "properties": _properties(change.payload or {}),
                "objectWriteTraceId": change.op_id,
            }
            for address, change in people.items()
        ]
        reply = self._ask("POST", f"{CONTACTS}/{way}", {"inputs": inputs})
        batch = parsed(_Batch, reply)
        address_of = {change.op_id: address for address, change in people.items()}
        address_of |= {address: address for address in people}
        outcomes = {
            address_of[name]: Outcome(
                "rejected", reply.status_code, error.message[:200]
            )
            for error in batch.errors
            for name in error.names()
            if name in address_of
        }
        ids = {
            address_of[name]: each.id
            for each in batch.results
            if (name := each.objectWriteTraceId or each.address()) in address_of
        }
        if not ids:
            return outcomes
        with after_a_change():
            listed = self._ask(
                "PUT", self._members, {"recordIdsToAdd": list(ids.values())}
            )
            missing = parsed(_Listed, listed).recordIdsMissing
        return outcomes | {
            address: Outcome(
                "unknown" if number in missing else "delivered", 200, handle=number
            )
            for address, number in ids.items()
        }

    def _remove(self, people: Mapping[str, ActivationChange]) -> dict[str, Outcome]:
        ids = {name: name for name in people if name.isdigit()}
        ids |= self._looked_up([name for name in people if name not in ids])
        if ids:
            body = {"recordIdsToRemove": list(ids.values())}
            parsed(_Listed, self._ask("PUT", self._members, body))
        return {
            name: Outcome("delivered", 200, handle=ids.get(name)) for name in people
        }

    def _looked_up(self, addresses: list[str]) -> dict[str, str]:
        """The record ids of those HubSpot knows; who is unknown there is on no list."""
        if not addresses:
            return {}
        body = {
            "idProperty": "email",
            "properties": ["email"],
            "inputs": [{"id": address} for address in addresses],
        }
        with changing_nothing("looking contacts up"):
            batch = parsed(_Batch, self._ask("POST", f"{CONTACTS}/read", body))
        found = {each.address(): each.id for each in batch.results}
        if not found.keys() <= set(addresses):
            raise unclear("a contact answers to another address", 200)
        return found

    def _trigger(self, people: Mapping[str, ActivationChange]) -> dict[str, Outcome]:
        inputs = [
            {
                "eventName": self._settings.event,
                "email": address,
                "uuid": change.op_id,
                "properties": _properties(change.payload or {}),
            }
            for address, change in people.items()
        ]
        reply = self._ask("POST", "/events/2026-03/send/batch", {"inputs": inputs})
        return {name: Outcome("delivered", reply.status_code) for name in people}

    def _ask(self, method: str, path: str, body: Any) -> Any:
        return self.http.ask_json(method, path, body, self._headers)


def _properties(payload: Mapping[str, Any]) -> dict[str, str]:
    """Property values are text; an empty one clears the property."""
    return {name: _text(value) for name, value in payload.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
