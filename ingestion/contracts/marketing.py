"""Ad metrics per day, as the platforms report them."""

from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from ingestion.contracts.base import ExtractRow

Amount = Annotated[Decimal, Field(max_digits=18, decimal_places=4)]


class MarketingRow(ExtractRow):
    """One day of one ad (or of a campaign, where the platform says no more)."""

    stream: ClassVar[str] = "marketing"
    contract: str = "marketing_row"

    metric_date: date
    platform: str
    account_id: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    ad_set_id: str | None = None
    ad_set_name: str | None = None
    ad_id: str | None = None
    ad_name: str | None = None
    currency: str | None = None
    spend: Amount | None = None
    impressions: int | None = None
    clicks: int | None = None
    conversions: Amount | None = None
    revenue: Amount | None = None
