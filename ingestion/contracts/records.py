"""Extract rows of business records: orders, payments, subscriptions."""

from typing import ClassVar, Literal

from ingestion.contracts.base import ExtractRow, Identifier, JsonObject, UtcTime


class RecordRow(ExtractRow):
    """One order, payment or subscription as a source has it; amounts are in major units."""

    stream: ClassVar[str] = "records"
    contract: str = "record_row"

    record_type: Literal["order", "payment", "subscription"]
    order_id: str | None = None
    occurred_at: UtcTime
    source_status: str | None = None
    effect: str | None = None
    identifiers: list[Identifier]
    properties: JsonObject | None = None
