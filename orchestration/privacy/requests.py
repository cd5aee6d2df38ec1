"""Requests as they are landed, and what became of them. Carrying them out is access.py's and erasing.py's business."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from ingestion.contracts import PrivacyRequest
from ingestion.contracts.base import MILLRACE, Identifier
from ingestion.crash_points import reached
from ingestion.landing import LandingWriter, read_tail
from ingestion.settings import Settings
from orchestration.privacy.rewriting import TOMBSTONE
from orchestration.privacy.subject import Named

RequestType = Literal["access", "erasure", "suppression"]

# GDPR, article 12 (3): within one month of receipt.
DUE = timedelta(days=30)


@dataclass(frozen=True)
class Request:
    """A landed request that was not carried out yet."""

    request_id: str
    request_type: RequestType
    identifiers: tuple[Named, ...]
    requested_at: datetime
    due_at: datetime

    @property
    def is_sealed(self) -> bool:
        """Whether only tombstones are left of whom it is about."""
        return all(kind == TOMBSTONE for kind, _ in self.identifiers)


def land_request(
    settings: Settings,
    request_type: RequestType,
    identifiers: Sequence[Named],
    requester: str,
    proof: str,
    due_at: datetime | None = None,
) -> str:
    """Land a request; its id. It is on disk when this returns, whatever happens next."""
    now = datetime.now(UTC)
    request = PrivacyRequest(
        source_id=MILLRACE,
        request_type=request_type,
        identifiers=[Identifier(type=kind, value=value) for kind, value in identifiers],
        requested_at=now,
        requester=requester,
        proof=proof,
        due_at=due_at or now + DUE,
    )
    with LandingWriter(settings.landing) as writer:
        (request_id,) = writer.land([request])
    reached("privacy.landed")
    return str(request_id)


def land_done(
    settings: Settings, request: Request, certificate: dict[str, Any]
) -> None:
    """Land that a request was carried out."""
    done = PrivacyRequest(
        source_id=MILLRACE,
        request_type="done",
        identifiers=[],
        requested_at=request.requested_at.replace(tzinfo=UTC),
        about=UUID(request.request_id),
        certificate=certificate,
    )
    with LandingWriter(settings.landing) as writer:
        writer.land([done])


def open_requests(settings: Settings) -> list[Request]:
    """Every landed request without its answer, oldest first."""
    rows = list(read_tail(settings.landing, "privacy_requests", set()))
    done = {row["about"] for row in rows if row["request_type"] == "done"}
    return [
        _request(row)
        for row in sorted(rows, key=lambda row: str(row["record_id"]))
        if row["request_type"] != "done" and row["record_id"] not in done
    ]


def _request(row: dict[str, Any]) -> Request:
    requested_at = _moment(row["requested_at"])
    return Request(
        request_id=row["record_id"],
        request_type=row["request_type"],
        identifiers=tuple((each["type"], each["value"]) for each in row["identifiers"]),
        requested_at=requested_at,
        due_at=_moment(row["due_at"]) if row["due_at"] else requested_at + DUE,
    )


def _moment(text: str) -> datetime:
    """Naive UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
