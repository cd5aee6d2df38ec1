"""The canonical event: what every wire shape becomes.

The shapes themselves, and how identifiers and times are read out of them, live in `ingestion.contracts.shapes`.
"""

from typing import ClassVar, Literal

from pydantic import Field

from ingestion.contracts.base import Identifier, JsonObject, Landed, UtcTime

EventType = Literal["track", "page", "screen", "identify", "group", "alias"]
Channel = Literal["client", "server", "webhook", "batch"]
Shape = Literal["server", "flat", "segment", "trigger"]


class Event(Landed):
    """Something a person did, or told us about themselves."""

    stream: ClassVar[str] = "events"
    contract: str = "event"

    event_id: str = Field(min_length=1)
    type: EventType
    name: str | None = None
    occurred_at: UtcTime
    sent_at: UtcTime | None = None
    original_timestamp: UtcTime | None = None
    identifiers: list[Identifier]
    properties: JsonObject | None = None
    traits: JsonObject | None = None
    context: JsonObject | None = None
    channel: Channel
    consent: JsonObject | None = None
    shape: Shape
    flags: list[str] = Field(default_factory=list)
