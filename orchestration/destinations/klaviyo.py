"""Klaviyo: profiles with membership in a list by bulk import, triggers as bulk events.

developers.klaviyo.com/en/reference/bulk_import_profiles (read 2026-11). An import is a job that is polled and tells
counts; one that failed in part is unknown for everyone in it, and they are asserted again. Lists know profiles by
Klaviyo's ids, so those who left are looked up first; who is not found is on no list. Being on a list is not a
subscription: consent at Klaviyo is changed by nothing here. Events are deduplicated there by their unique_id.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

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
    NotDone,
    changing_nothing,
    parsed,
)
from orchestration.destinations.http_destination import HttpDestination, named_by
from orchestration.destinations.identifiers import Unfit, email, phone

REVISION = "2026-01-15"
# One page of profiles, as those who leave are looked up: reference/get_profiles, read 2026-11. Imports take 10,000.
MAX_PROFILES = 100
# reference/bulk_import_profiles, read 2026-11.
MAX_BYTES = 5_000_000
# The steady limit of size M, per account: docs/rate_limits_and_error_handling, read 2026-11.
REQUESTS, SECONDS = 150, 60.0
FIELDS = {"email": "email", "phone": "phone_number", "user_id": "external_id"}


class KlaviyoSettings(HttpSettings):
    kind: Literal["klaviyo"]
    url: str = "https://a.klaviyo.com/api"
    account: str = Field(
        description="The account (public key); limits are per account."
    )
    api_key: SecretStr
    list_id: str = Field(pattern=r"^[A-Za-z0-9]+$")
    metric: str | None = Field(
        default=None, description="Metric of a trigger; the sync's name if not given."
    )
    batch_size: int = Field(default=MAX_PROFILES, ge=1, le=MAX_PROFILES)


class _JobState(BaseModel):
    status: Literal["queued", "processing", "complete", "cancelled"]
    total_count: int = 0
    completed_count: int | None = 0
    failed_count: int | None = 0


class _Job(BaseModel):
    id: str = Field(min_length=1)
    attributes: _JobState


class _JobAnswer(BaseModel):
    data: _Job


class _Profile(BaseModel):
    id: str
    attributes: dict[str, Any]


class _Profiles(BaseModel):
    data: list[_Profile]


class KlaviyoDestination(HttpDestination):
    """See the module's docstring."""

    recipient_types = frozenset(FIELDS)
    poll_after = timedelta(0)
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}

    def __init__(
        self, settings: KlaviyoSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        self._headers = {
            "authorization": f"Klaviyo-API-Key {settings.api_key.get_secret_value()}",
            "revision": REVISION,
        }
        self.pace = Pace(REQUESTS, SECONDS, f"klaviyo {settings.account}")

    def identify(self, change: ActivationChange) -> str:
        named = change.handle if change.action == "exit" else change.recipient_key
        if change.recipient_type == "user_id":
            if not named or '"' in named:
                raise Unfit("no external id")
            return named
        return (email if change.recipient_type == "email" else phone)(named)

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        field = FIELDS[named_by(people)]
        if verb == "add":
            return self._import(field, people)
        if verb == "remove":
            return self._remove(field, list(people))
        message = _events(self._settings.metric or sync.sync_name, field, people)
        reply = self._ask("POST", "/event-bulk-create-jobs", message)
        return {name: Outcome("delivered", reply.status_code) for name in people}

    def poll(self, sync: Sync, job: str) -> Outcome:
        try:
            reply = self._ask("GET", f"/profile-bulk-import-jobs/{job}")
            state = parsed(_JobAnswer, reply).data.attributes
        except NotDone as failed:
            gone = failed.reply is not None and failed.reply.status_code == 404
            return Outcome(
                "unknown" if gone else "accepted", None, "no status of the job"
            )
        if state.status in ("queued", "processing"):
            return Outcome("accepted", 200)
        if state.status == "complete" and not state.failed_count:
            return Outcome("delivered", 200)
        failed_count = state.failed_count or 0
        said = f"{state.status}, {failed_count} of {state.total_count} failed"
        return Outcome("unknown", 200, said)

    def _import(
        self, field: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        profiles = [
            {
                "type": "profile",
                "attributes": {field: name, "properties": change.payload or {}},
            }
            for name, change in people.items()
        ]
        lists = [{"type": "list", "id": self._settings.list_id}]
        message = {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": profiles}},
                "relationships": {"lists": {"data": lists}},
            }
        }
        reply = self._ask("POST", "/profile-bulk-import-jobs", message)
        job = parsed(_JobAnswer, reply).data.id
        return {
            name: Outcome("accepted", reply.status_code, handle=name, job=job)
            for name in people
        }

    def _remove(self, field: str, names: list[str]) -> dict[str, Outcome]:
        query = {
            "filter": f"any({field},{orjson.dumps(names).decode()})",
            "fields[profile]": field,
            "page[size]": str(MAX_PROFILES),
        }
        with changing_nothing("looking profiles up"):
            found = parsed(_Profiles, self._ask("GET", f"/profiles?{urlencode(query)}"))
        if found.data:
            data = [{"type": "profile", "id": each.id} for each in found.data]
            path = f"/lists/{self._settings.list_id}/relationships/profiles"
            self._ask("DELETE", path, {"data": data})
        return {name: Outcome("delivered", 204) for name in names}

    def _ask(self, method: str, path: str, message: Any = None) -> Any:
        return self.http.ask_json(method, path, message, self._headers, MAX_BYTES)


def _events(
    metric: str, field: str, people: Mapping[str, ActivationChange]
) -> dict[str, Any]:
    named = {"data": {"type": "metric", "attributes": {"name": metric}}}
    groups = [
        {
            "type": "event-bulk-create",
            "attributes": {
                "profile": {"data": {"type": "profile", "attributes": {field: name}}},
                "events": {
                    "data": [
                        {
                            "type": "event",
                            "attributes": {
                                "metric": named,
                                "properties": change.payload or {},
                                "unique_id": change.op_id,
                            },
                        }
                    ]
                },
            },
        }
        for name, change in people.items()
    ]
    attributes = {"events-bulk-create": {"data": groups}}
    return {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
