"""Meta Custom Audiences: people by hashed e-mail address or phone number, added and removed at the users edge.

developers.facebook.com/docs/marketing-api/reference/custom-audience/users (read 2026-11). Meta keeps no attributes. It
answers with counts and samples of invalid rows only, so a batch with an invalid row counts as refused: halving it finds
the row, and adding the others twice changes nothing. Errors are 400 with a code in the body, and only the code tells a
bad row from a bad token.
"""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field, SecretStr

from orchestration.destinations import egress, http_answers
from orchestration.destinations.base import ActivationChange, Outcome, Pace, Sync
from orchestration.destinations.exchange import (
    HttpSettings,
    NotDone,
    parsed,
    paused,
    refused,
    stopped,
    unclear,
)
from orchestration.destinations.http_destination import HttpDestination, named_by
from orchestration.destinations.identifiers import email, is_sha256, meta_phone, sha256

# "a maximum of 10000 at a time": custom-audience/users, read 2026-11.
MAX_ROWS = 10_000
# Custom audience calls an hour of an app with development access, the lower tier:
# developers.facebook.com/docs/graph-api/overview/rate-limiting, read 2026-11.
CALLS_AN_HOUR = 5000
# Codes of graph-api/guides/error-handling and rate-limiting, read 2026-11.
THROTTLED = {4, 17, 32, 613, 80003}
PASSING = {1, 2}
CREDENTIALS = {10, 102, 190, *range(200, 300)}
SCHEMAS = {"email": "EMAIL_SHA256", "phone": "PHONE_SHA256"}


class MetaSettings(HttpSettings):
    kind: Literal["meta"]
    url: str = "https://graph.facebook.com/v25.0"
    audience_id: str = Field(pattern=r"^[0-9]+$")
    access_token: SecretStr
    batch_size: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)


class _Received(BaseModel):
    num_received: int
    num_invalid_entries: int


class MetaDestination(HttpDestination):
    """See the module's docstring."""

    recipient_types = frozenset(SCHEMAS)

    def __init__(
        self, settings: MetaSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._path = f"/{settings.audience_id}/users"
        token = settings.access_token.get_secret_value()
        self._headers = {"authorization": f"Bearer {token}"}
        self.pace = Pace(CALLS_AN_HOUR, 3600.0, f"meta {settings.audience_id}")

    def identify(self, change: ActivationChange) -> str:
        named = change.handle if change.action == "exit" else change.recipient_key
        if is_sha256(named):
            return named
        tidy = email if change.recipient_type == "email" else meta_phone
        return sha256(tidy(named))

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        payload = {"schema": SCHEMAS[named_by(people)], "data": list(people)}
        method = "DELETE" if verb == "remove" else "POST"
        try:
            reply = self.http.ask_json(
                method, self._path, {"payload": payload}, self._headers
            )
        except NotDone as failed:
            raise _of_code(failed) from failed
        received = parsed(_Received, reply)
        if received.num_invalid_entries:
            raise refused(f"{received.num_invalid_entries} invalid entries", 200)
        if received.num_received != len(people):
            raise unclear(f"{received.num_received} of {len(people)} received", 200)
        return {
            each: Outcome("delivered", reply.status_code, handle=each)
            for each in people
        }


def _of_code(failed: NotDone) -> NotDone:
    """What the code in the body of a 4xx means; without one, the status speaks."""
    if failed.reply is None or failed.reply.status_code >= 500:
        return failed
    code = _code(failed.reply.content)
    status, said = failed.reply.status_code, f"Meta says {code}"
    if code in THROTTLED:
        return paused(_wait(failed.reply.headers), said, status)
    if code in CREDENTIALS:
        # On record as what other vendors say it with, so that whoever watches credentials sees it.
        return stopped(f"the destination refuses our credentials ({code})", 401)
    return unclear(said, status) if code in PASSING else failed


def _code(body: bytes) -> int | None:
    try:
        return int(orjson.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return None


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds to wait, from the longest of the minutes that the usage header names."""
    try:
        usage: dict[str, list[dict[str, Any]]] = orjson.loads(
            headers.get("x-business-use-case-usage", "")
        )
        minutes = [
            float(each.get("estimated_time_to_regain_access", 0))
            for limits in usage.values()
            for each in limits
        ]
    except (ValueError, TypeError, AttributeError):
        return http_answers.DEFAULT_PAUSE_SECONDS
    longest = max(minutes, default=0.0) * 60
    return min(
        longest or http_answers.DEFAULT_PAUSE_SECONDS, http_answers.MAX_PAUSE_SECONDS
    )
