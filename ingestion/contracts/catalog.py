"""Extract rows of the product catalogue."""

from typing import ClassVar

from ingestion.contracts.base import ExtractRow, JsonObject, UtcTime


class CatalogRow(ExtractRow):
    """One product as a source has it."""

    stream: ClassVar[str] = "catalog"
    contract: str = "catalog_row"

    product_id: str
    observed_at: UtcTime
    properties: JsonObject | None = None
