"""What people ask of us about their data."""

from typing import ClassVar, Literal
from uuid import UUID

from ingestion.contracts.base import Identifier, JsonObject, Landed, UtcTime


class PrivacyRequest(Landed):
    """A request for access, erasure or suppression, and how we know it was theirs to make; or, `done`, that the request
    `about` was carried out, with its certificate."""

    stream: ClassVar[str] = "privacy_requests"
    contract: str = "privacy_request"

    request_type: Literal["access", "erasure", "suppression", "done"]
    identifiers: list[Identifier]
    requested_at: UtcTime
    requester: str | None = None
    proof: str | None = None
    due_at: UtcTime | None = None
    about: UUID | None = None
    certificate: JsonObject | None = None
    """Counts and places, and nothing of the person."""
