"""Audience changes to anyone's HTTPS endpoint, signed as Standard Webhooks describe.

The body is {"type": "audience.changed", "timestamp": …, "data": {"sync", "audience", "purpose", "recipient_type",
"changes": [{"op_id", "action", "recipient", "generation", "attributes"}]}}. The receiver applies changes in the order
given and answers 2xx. One that cannot apply some of them answers 2xx with JSON
{"failed": [{"op_id": …, "status": "rejected" or "retry", "detail": …}]}: the rest counts as delivered.
"""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import httpx
import orjson
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from standardwebhooks import Webhook

from orchestration.destinations import egress, http_answers
from orchestration.destinations.base import (
    RECIPIENT_TYPES,
    STATE_ACTIONS,
    Action,
    ActivationChange,
    Answer,
    DestinationSettings,
    Outcome,
    Pace,
    Sync,
    every,
)

MAX_ANSWER_BYTES = 256 * 1024


class WebhookSettings(DestinationSettings):
    kind: Literal["webhook"]
    url: str = Field(description="Where to post; https, publicly resolvable.")
    secret: SecretStr = Field(description="Signing secret, whsec_ + base64.")
    allow_loopback: tuple[str, ...] = Field(
        default=(), description="Host names that may be this machine, also over http."
    )
    connect_seconds: float = Field(default=5.0, gt=0)
    answer_seconds: float = Field(
        default=15.0, gt=0, description="From sending to the last byte of the answer."
    )

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

    recipient_types = RECIPIENT_TYPES
    actions: frozenset[Action] = STATE_ACTIONS | {"trigger"}
    pace: Pace | None = None

    def __init__(
        self, settings: WebhookSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self._settings = settings
        self._resolver = resolver
        self._signer = Webhook(settings.secret.get_secret_value())
        self._client = httpx.Client(
            timeout=httpx.Timeout(
                settings.answer_seconds, connect=settings.connect_seconds
            ),
            follow_redirects=False,
            trust_env=False,
        )

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        try:
            target = egress.checked(
                self._settings.url, self._settings.allow_loopback, self._resolver
            )
        except egress.Unresolved as error:
            return Answer(every(changes, Outcome("retry", None, str(error)[:200])))
        except egress.Forbidden as error:
            refused = every(changes, Outcome("retry", None, str(error)[:200]))
            return Answer(refused, stop=f"{self.name}: {error}")
        try:
            return self._exchange(target, _body(sync, changes), changes)
        except httpx.HTTPError as error:
            return http_answers.of_error(changes, error)

    def close(self) -> None:
        self._client.close()

    def _exchange(
        self, target: egress.Checked, body: str, changes: Sequence[ActivationChange]
    ) -> Answer:
        deadline = time.monotonic() + self._settings.answer_seconds
        with self._client.stream(
            "POST",
            target.url,
            content=body.encode(),
            headers={"Host": target.host_header, **self._signature(body, changes)},
            extensions={"sni_hostname": target.server_name},
        ) as response:
            text = _read(response, deadline)
        if not response.is_success:
            detail = text.decode(errors="replace")[:200]
            return http_answers.of_status(changes, response, detail)
        return _of_success(changes, response, text)

    def _signature(
        self, body: str, changes: Sequence[ActivationChange]
    ) -> dict[str, str]:
        """Headers that prove who sent it; the id is the same whenever the same operations are sent again."""
        names = "\n".join(change.op_id for change in changes)
        message_id = f"msg_{hashlib.sha256(names.encode()).hexdigest()[:32]}"
        # The library replaces the zone instead of converting: only a UTC time is signed right.
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "accept-encoding": "identity",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }


def _body(sync: Sync, changes: Sequence[ActivationChange]) -> str:
    message = {
        "type": "audience.changed",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
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


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The answer's body, bounded in size and in time (httpx bounds each read only)."""
    received = b""
    for chunk in response.iter_raw():
        received += chunk
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer took too long")
        if len(received) > MAX_ANSWER_BYTES:
            raise httpx.ReadError("the answer is too long")
    return received


def _of_success(
    changes: Sequence[ActivationChange], response: httpx.Response, text: bytes
) -> Answer:
    """A 2xx delivers, except what its body says failed. A report that cannot be read or attributed proves nothing."""
    status = response.status_code
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
