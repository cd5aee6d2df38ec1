"""What the platform lands about its own work: refusals, decisions, deliveries.

These are records like any other, so that the warehouse can be rebuilt from the landing zone alone.
"""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from ingestion.contracts.base import JsonObject, Landed, OwnFact, UtcTime


class Reject(Landed):
    """What was refused, why, where it was, and the bytes as they came, so that it can be replayed."""

    stream: ClassVar[str] = "rejects"
    contract: str = "reject"

    code: str
    path: str | None = None
    detail: str
    endpoint: str | None = None
    item: int | None = None
    encoding: Literal["utf-8", "base64"] = "utf-8"
    raw: str
    envelope: JsonObject | None = None
    """What the bytes do not say and a replay needs, such as the channel, and what the batch said for all its items."""


class IdentityChange(OwnFact):
    """An identifier's profile changed."""

    stream: ClassVar[str] = "identity_changes"
    contract: str = "identity_change"

    as_of: UtcTime
    identifier_type: str
    identifier_value: str
    previous_profile_id: str | None = None
    profile_id: str
    reason: str
    cause_record_id: UUID | None = None


class MembershipChange(OwnFact):
    """Someone entered or left an audience, or (`define`, about nobody) the audience was defined anew."""

    stream: ClassVar[str] = "membership_changes"
    contract: str = "membership_change"

    as_of: UtcTime
    audience_name: str
    profile_id: str
    instance_key: str = ""
    action: Literal["enter", "exit", "define"]
    reason: str
    definition: str | None = None
    """Of `define`: a hash of the model that decides from here on."""


Pending = Literal["unresolved_identity", "held_quiet_hours", "held_pacing"]
Final = Literal[
    "entered",
    "exited_before_release",
    "erased",
    "suppressed",
    "no_consent",
    "no_identifier",
    "invalid_identifier",
    "duplicate_recipient",
    "holdout",
    "excluded",
    "reentry_blocked",
    "capped",
    "expired",
]


class JourneyDecision(OwnFact):
    """A journey decided about a candidate: who, occasion by occasion, and what became of it.

    `recipient` is the profile at that time, empty while nobody knows whose it is; `recipient_key` is what the
    destination would know them by. The latest decision about a candidate counts.
    """

    stream: ClassVar[str] = "journey_decisions"
    contract: str = "journey_decision"

    as_of: UtcTime
    journey: str
    candidate_id: str
    entry_name: str
    recipient: str
    recipient_key: str | None = None
    instance_key: str = ""
    emitted_at: UtcTime
    outcome: Literal[Pending, Final]
    detail: str | None = None


class Delivery(OwnFact):
    """An attempt to deliver, landed before the request, or its outcome, landed after; or a word about a whole sync.

    Words about a sync have no recipient and no action, and `detail` says who and why. A `run` ends a pass over a
    plan: `delivered` when it was worked through, else `retry`, and not before when it may go on. A `resync` takes
    back what we believe is at the destination. An `approval` lets the plan whose hash is `op_id` pass its guards.
    """

    stream: ClassVar[str] = "deliveries"
    contract: str = "delivery"

    kind: Literal["attempt", "outcome", "run", "resync", "approval"]
    sync_name: str
    account: str | None = None
    run_id: str | None = None
    op_id: str
    attempt_id: str
    recipient_key: str
    recipient_type: str | None = None
    profile_id: str | None = None
    handle: str | None = None
    action: Literal["enter", "update", "exit", "trigger"] | None = None
    generation: int
    payload_hash: str | None = None
    mapping_version: int
    outcome: Literal["delivered", "accepted", "rejected", "retry", "unknown"] | None = (
        None
    )
    http_status: int | None = None
    job: str | None = None
    requests: int | None = None
    not_before: UtcTime | None = None
    detail: str | None = None
    at: UtcTime = Field(default_factory=lambda: datetime.now(UTC))
