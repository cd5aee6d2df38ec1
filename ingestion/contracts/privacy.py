"""What people ask of us about their data."""

from typing import ClassVar, Literal

from ingestion.contracts.base import Identifier, Landed, UtcTime


class PrivacyRequest(Landed):
    """A request for access, erasure or suppression, and how we know it was theirs to make."""

    stream: ClassVar[str] = "privacy_requests"
    contract: str = "privacy_request"

    request_type: Literal["access", "erasure", "suppression"]
    identifiers: list[Identifier]
    requested_at: UtcTime
    requester: str | None = None
    proof: str | None = None
    due_at: UtcTime | None = None
