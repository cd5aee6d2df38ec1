"""Dynamics 365 Customer Insights - Journeys: one custom trigger, raised per person through its Dataverse custom API.

learn.microsoft.com/en-us/dynamics365/customer-insights/journeys/real-time-marketing-custom-triggers and .../real-time-
marketing-correlate-triggers (read 2026-11). Every trigger carries a binding id, as one without acts on all instances of
the person's journey. There is no idempotency key: one whose outcome is unknown is raised again and may start the journey
twice, unless the journey is set to run once per binding.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from orchestration.destinations import egress
from orchestration.destinations.access import Access, AccessSettings
from orchestration.destinations.base import (
    Action,
    ActivationChange,
    Outcome,
    Pace,
    Sync,
)
from orchestration.destinations.exchange import HttpSettings
from orchestration.destinations.http_destination import HttpDestination
from orchestration.destinations.identifiers import Unfit

# real-time-marketing-custom-triggers, read 2026-11.
MAX_ATTRIBUTES = 29
# Kept below both documented limits: 2,500 triggers a minute, above which they are dropped without a word, and Dataverse's
# 6,000 requests in five minutes and user (power-apps/developer/data-platform/api-limits, read 2026-11).
TRIGGERS_A_MINUTE = 1200
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DynamicsSettings(HttpSettings):
    kind: Literal["dynamics"]
    url: str = Field(description="https://<organisation>.crm<n>.dynamics.com")
    access: AccessSettings
    trigger: str = Field(
        pattern=r"^msdynmkt_[A-Za-z0-9_]+$", description="Its custom API's unique name."
    )
    attributes: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_ATTRIBUTES,
        description="All attributes of the trigger, each required. The API knows them with msdynmkt_ before the name.",
    )
    known_by: str = Field(
        default="user_id", description="Type of the identifiers that are contact GUIDs."
    )
    binding: str | None = Field(
        default=None,
        description="Attribute that names the journey's instance; the operation's id if not given.",
    )
    batch_size: int = Field(default=1, ge=1, le=1)


class DynamicsDestination(HttpDestination):
    """See the module's docstring."""

    actions: frozenset[Action] = frozenset({"trigger"})

    def __init__(
        self, settings: DynamicsSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        self._access = Access(settings.access, self.http)
        self.recipient_types = frozenset({settings.known_by})
        self.pace = Pace(TRIGGERS_A_MINUTE, 60.0, f"dynamics {settings.url}")

    def identify(self, change: ActivationChange) -> str:
        settings, payload = self._settings, change.payload or {}
        missing = [each for each in settings.attributes if payload.get(each) is None]
        if missing:
            raise Unfit(f"the trigger requires {', '.join(missing)}")
        contact = change.recipient_key.lower()
        if not _GUID.fullmatch(contact):
            raise Unfit("no contact GUID")
        return contact

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        ((contact, change),) = people.items()
        reply = self.http.ask_json(
            "POST",
            f"/api/data/v9.2/{self._settings.trigger}",
            self._signal(contact, change),
            self._access.header(),
        )
        return {contact: Outcome("delivered", reply.status_code, handle=contact)}

    def _signal(self, contact: str, change: ActivationChange) -> dict[str, Any]:
        settings, payload = self._settings, change.payload or {}
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        binding = payload.get(settings.binding) if settings.binding else None
        return {
            "msdynmkt_signaluserauthid": contact,
            "msdynmkt_profileid": contact,
            "msdynmkt_signaltimestamp": now,
            "msdynmkt_signalingestiontimestamp": now,
            "msdynmkt_bindingid": str(binding or change.op_id),
            **{f"msdynmkt_{name}": payload[name] for name in settings.attributes},
        }
