"""Braze: membership as one custom attribute per audience, triggers as custom events, both at /users/track.

braze.com/docs/api/endpoints/user_data/post_user_track (read 2026-11). The attribute is an object that holds
`is_member` and what the audience tells of the person; on exit it is removed as a whole, so nothing stays behind, and
nobody is created to be removed. Failures of single objects stand in `errors` of a 201. Events carry the operation's id;
Braze does not deduplicate them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

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
from orchestration.destinations.exchange import HttpSettings, parsed, unclear
from orchestration.destinations.http_destination import HttpDestination
from orchestration.destinations.identifiers import Unfit, email, phone

# Attributes, events and purchases together: braze.com/docs/api/api_limits, read 2026-11.
MAX_OBJECTS = 75
# The same page; the limit is the workspace's.
REQUESTS, SECONDS = 3000, 3.0
FIELDS = {"user_id": "external_id", "email": "email", "phone": "phone"}


class BrazeSettings(HttpSettings):
    kind: Literal["braze"]
    api_key: SecretStr
    attribute: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,254}$",
        description="Custom attribute of the membership; the sync's name if not given.",
    )
    event: str | None = Field(
        default=None, description="Custom event of a trigger; the sync's name if none."
    )
    batch_size: int = Field(default=MAX_OBJECTS, ge=1, le=MAX_OBJECTS)


class _Error(BaseModel):
    type: str = ""
    input_array: str = ""
    index: int


class _Tracked(BaseModel):
    message: str
    errors: list[_Error] = []


class BrazeDestination(HttpDestination):
    """See the module's docstring."""

    recipient_types = frozenset(FIELDS)
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    updates_only = True

    def __init__(
        self, settings: BrazeSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        key = settings.api_key.get_secret_value()
        self._headers = {"authorization": f"Bearer {key}"}
        self.pace = Pace(REQUESTS, SECONDS, f"braze {settings.url}")

    def identify(self, change: ActivationChange) -> str:
        named = change.handle if change.action == "exit" else change.recipient_key
        if change.recipient_type == "user_id":
            if not named:
                raise Unfit("no external id")
            return named
        return (email if change.recipient_type == "email" else phone)(named)

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        array = "events" if verb == "trigger" else "attributes"
        objects = [
            {FIELDS[change.recipient_type]: name, **self._object(sync, verb, change)}
            for name, change in people.items()
        ]
        reply = self.http.ask_json(
            "POST", "/users/track", {array: objects}, self._headers
        )
        answer, status = parsed(_Tracked, reply), reply.status_code
        outcomes = {name: Outcome("delivered", status, handle=name) for name in people}
        names = list(people)
        for error in answer.errors:
            if error.input_array != array or not 0 <= error.index < len(names):
                raise unclear("an error of an object that was not sent", status)
            outcomes[names[error.index]] = Outcome("rejected", status, error.type[:200])
        return outcomes

    def _object(
        self, sync: Sync, verb: str, change: ActivationChange
    ) -> dict[str, Any]:
        payload = change.payload or {}
        if verb == "trigger":
            return {
                "name": self._settings.event or sync.sync_name,
                "time": datetime.now(UTC).isoformat(),
                "properties": {**payload, "op_id": change.op_id},
            }
        attribute = self._settings.attribute or sync.sync_name
        if verb == "remove":
            return {attribute: None, "_update_existing_only": True}
        return {
            attribute: {**payload, "is_member": True},
            "_update_existing_only": sync.mode == "update",
        }
