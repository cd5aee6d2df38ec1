"""What may enter. One class per stream of the landing zone, and the register of them.

A new stream is one class here, its table in `dbt_project/models/staging/_sources.yml`, and a line below; a test
holds the two together.
"""

from ingestion.contracts.base import Identifier, Landed
from ingestion.contracts.catalog import CatalogRow
from ingestion.contracts.events import Event
from ingestion.contracts.marketing import MarketingRow
from ingestion.contracts.privacy import PrivacyRequest
from ingestion.contracts.profiles import ProfileRow
from ingestion.contracts.receipts import (
    Delivery,
    IdentityChange,
    JourneyDecision,
    MembershipChange,
    Reject,
)
from ingestion.contracts.records import RecordRow

STREAMS: dict[str, type[Landed]] = {
    model.stream: model
    for model in (
        Event,
        Reject,
        ProfileRow,
        RecordRow,
        CatalogRow,
        MarketingRow,
        PrivacyRequest,
        IdentityChange,
        MembershipChange,
        JourneyDecision,
        Delivery,
    )
}

__all__ = [
    "STREAMS",
    "CatalogRow",
    "Delivery",
    "Event",
    "Identifier",
    "IdentityChange",
    "JourneyDecision",
    "Landed",
    "MarketingRow",
    "MembershipChange",
    "PrivacyRequest",
    "ProfileRow",
    "RecordRow",
    "Reject",
]
