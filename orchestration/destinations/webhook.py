"""Audience changes to anyone's HTTPS endpoint, signed as Standard Webhooks describe.

The body is {"type": "audience.changed", "timestamp": …, "data": {"sync", "audience", "purpose", "recipient_type",
"changes": [{"op_id", "action", "recipient", "generation", "attributes"}]}}. The receiver applies changes in the order
given and answers 2xx. One that cannot apply some of them answers 2xx with JSON
{"failed": [{"op_id": …, "status": "rejected" or "retry", "detail": …}]}: the rest counts as delivered.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import orjson
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from standardwebhooks import Webhook

from orchestration.destinations import egress
from orchestration.destinations.base import (
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    Outcome,
    Pace,
    Sync,
    every,
)
from orchestration.destinations.exchange import Exchange, HttpSettings, NotDone
from orchestration.destinations.wire import Reply

MAX_ANSWER_BYTES = 256 * 1024


class WebhookSettings(HttpSettings):
    kind: Literal["webhook"]
    secret: SecretStr = Field(description="Signing secret, whsec_ + base64.")
    answer_seconds: float = Field(default=15.0, gt=0)

    @field_validator("secret")
    @classmethod
    def _usable(cls, secret: SecretStr) -> SecretStr:
        try:
            Webhook(secret.get_secret_value())
        except Exception as error:
            raise ValueError("the signing secret must be whsec_ + base64") from error
        return secret


class _Failure(BaseModel):
    op_id: str
    status: Literal["rejected", "retry"]
    detail: str = ""


class _Report(BaseModel):
    failed: list[_Failure] = []


class WebhookDestination:
    """See the module's docstring for the wire format."""

    recipient_types: frozenset[str] | None = None
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    updates_only = True
    pace: Pace | None = None

    def __init__(
        self, settings: WebhookSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self._signer = Webhook(settings.secret.get_secret_value())
        self._http = Exchange(settings, resolver)
        self._url = settings.url

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        body = _body(sync, changes)
        names = "\n".join(change.op_id for change in changes)
        headers = self._signature(body, names)
        try:
            reply = self._http.ask(
                "POST", self._url, body.encode(), headers, MAX_ANSWER_BYTES
            )
        except NotDone as failed:
            return failed.answer(changes)
        return _of_success(changes, reply)

    def tell(self, sentence: str) -> bool:
        """Send an alert, {"type": "alert", "timestamp": …, "data": {"sentence": …}}; whether it was answered 2xx."""
        alert = {"type": "alert", "timestamp": _now(), "data": {"sentence": sentence}}
        body = orjson.dumps(alert).decode()
        headers = self._signature(body, sentence)
        try:
            self._http.ask("POST", self._url, body.encode(), headers, MAX_ANSWER_BYTES)
        except NotDone:
            return False
        return True

    def close(self) -> None:
        self._http.close()

    def _signature(self, body: str, names: str) -> dict[str, str]:
        """Headers that prove who sent it; the id is the same whenever the same operations are sent again."""
        message_id = f"msg_{hashlib.sha256(names.encode()).hexdigest()[:32]}"
        # The library replaces the zone instead of converting: only a UTC time is signed right.
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _body(sync: Sync, changes: Sequence[ActivationChange]) -> str:
    message = {
        "type": "audience.changed",
        "timestamp": _now(),
        "data": {
            "sync": sync.sync_name,
            "audience": sync.audience_name,
            "purpose": sync.purpose,
            "recipient_type": sync.recipient_type,
            "changes": [
                {
                    "op_id": change.op_id,
                    "action": change.action,
                    "recipient": change.handle,
                    "generation": change.generation,
                    "attributes": change.payload,
                }
                for change in changes
            ],
        },
    }
    return orjson.dumps(message).decode()


def _of_success(changes: Sequence[ActivationChange], response: Reply) -> Answer:
    """A 2xx delivers, except what its body says failed. A report that cannot be read or attributed proves nothing."""
    status, text = response.status_code, response.content
    outcomes = every(changes, Outcome("delivered", status))
    if not text or "json" not in response.headers.get("content-type", ""):
        return Answer(outcomes)
    try:
        report = _Report.model_validate(orjson.loads(text))
    except (orjson.JSONDecodeError, ValidationError):
        return Answer(every(changes, Outcome("unknown", status, "unreadable report")))
    failed = {
        failure.op_id: Outcome(failure.status, status, failure.detail[:200])
        for failure in report.failed
    }
    if not failed.keys() <= outcomes.keys():
        return Answer(every(changes, Outcome("unknown", status, "foreign op_id")))
    return Answer(outcomes | failed)
