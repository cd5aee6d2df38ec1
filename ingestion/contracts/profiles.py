"""Extract rows that describe people: CRM contacts, customer tables, mailing lists."""

from typing import ClassVar

from ingestion.contracts.base import ExtractRow, Identifier, JsonObject, UtcTime


class ProfileRow(ExtractRow):
    """What a source says about one person; a deleted row keeps the identifiers it had."""

    stream: ClassVar[str] = "profiles"
    contract: str = "profile_row"

    observed_at: UtcTime
    identifiers: list[Identifier]
    traits: JsonObject | None = None
    consent: JsonObject | None = None
