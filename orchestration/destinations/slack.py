"""Slack: messages to one channel by an incoming webhook, for triggers and for the platform's own alerts.

docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (read 2026-11). One message for a batch: how many people,
and of each the attributes that the declaration names; who they are is not told. The URL is the secret, so only its host
is in the open. Slack does not deduplicate.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr

from orchestration.destinations import egress
from orchestration.destinations.base import (
    Action,
    ActivationChange,
    Outcome,
    Pace,
    Sync,
)
from orchestration.destinations.exchange import HttpSettings, NotDone, unclear
from orchestration.destinations.http_destination import HttpDestination

# Beyond this, text is cut: docs.slack.dev/reference/methods/chat.postMessage, read 2026-11.
MAX_CHARACTERS = 40_000
# docs.slack.dev/apis/web-api/rate-limits, read 2026-11: per webhook.
MESSAGES, SECONDS = 1, 1.0


class SlackSettings(HttpSettings):
    kind: Literal["slack"]
    url: str = "https://hooks.slack.com"
    path: SecretStr = Field(description="The rest of the webhook's URL: /services/…")
    attributes: tuple[str, ...] = Field(
        default=(), description="What a message tells of each person."
    )
    batch_size: int = Field(default=20, ge=1, le=100)


class SlackDestination(HttpDestination):
    """See the module's docstring."""

    recipient_types: frozenset[str] | None = None
    actions: frozenset[Action] = frozenset({"trigger"})

    def __init__(
        self, settings: SlackSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        self.pace = Pace(MESSAGES, SECONDS, f"slack {settings.name}")

    def identify(self, change: ActivationChange) -> str:
        return change.recipient_key

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        count = "1 person" if len(people) == 1 else f"{len(people)} people"
        lines = [f"*{_escaped(sync.description)}* {count}"]
        lines += [line for each in people.values() if (line := self._line(each))]
        status = self._post("\n".join(lines))
        return {name: Outcome("delivered", status) for name in people}

    def tell(self, sentence: str) -> bool:
        """Post an alert; whether Slack took it."""
        try:
            self._post(_escaped(sentence))
        except NotDone:
            return False
        return True

    def _post(self, text: str) -> int:
        path = self._settings.path.get_secret_value()
        reply = self.http.ask_json("POST", path, {"text": text[:MAX_CHARACTERS]})
        if reply.text.strip() != "ok":
            raise unclear("not the answer of Slack", reply.status_code)
        return reply.status_code

    def _line(self, change: ActivationChange) -> str:
        payload = change.payload or {}
        told = [
            f"{name}: {payload[name]}"
            for name in self._settings.attributes
            if payload.get(name) is not None
        ]
        return f"• {_escaped(', '.join(told))}" if told else ""


def _escaped(text: str) -> str:
    """Slack's three control characters; so no attribute can call a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
