"""Sources as people declare them: one model per kind, each rule with its remedy.

Reading the YAML files is loading.py; what the declarations do to rows is mapping.py.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingestion.connectors.rows import Connector
from ingestion.contracts.mappings import EventMapping
from ingestion.contracts.webhooks import Webhook

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Purpose = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]
"""A purpose, or a purpose and a channel: `marketing`, `marketing.email`."""
Column = Annotated[str, Field(min_length=1)]
Unit = Literal["major", "cents", "micros"]
ColumnType = Literal["integer", "decimal", "boolean", "timestamp"]
Effect = Literal[
    "incomplete", "checkout", "completed", "partially_refunded", "refunded", "cancelled"
]


class Declared(BaseModel):
    """Part of a declaration; an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Amount(Declared):
    """A column that holds money, and the unit it is written in."""

    column: Column
    unit: Unit = "major"


class Source(Declared):
    """What every source says about itself."""

    source_id: Name
    kind: Literal["events", "profiles", "records", "catalog", "marketing"]
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1, description="Who answers for its data quality")
    priority: int = Field(default=100, ge=1, description="1 is believed first")
    default_region: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    default_currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    session_key: str = Field(default="anonymous_id", min_length=1)
    is_server: bool = Field(default=False, description="Believed over browser copies")


class EventSource(Source, EventMapping):
    """Sends events to the collector, under its own key or as signed webhooks."""

    kind: Literal["events"]
    webhook: Webhook | None = None


class ExtractSource(Source):
    """Is pulled: what all kinds of extracts have in common."""

    extract: Connector
    row_key: tuple[Column, ...] = Field(min_length=1)
    deletes: Literal["none", "missing"] = "none"
    delete_limit: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of known rows beyond which missing ones are held back, not deleted",
    )
    types: dict[Column, ColumnType] = {}


class ProfileSource(ExtractSource):
    """Rows that describe people."""

    kind: Literal["profiles"]
    identifiers: dict[Name, Column] = Field(min_length=1)
    attributes: dict[str, Column] | Literal["rest"] = "rest"
    consent: dict[Purpose, Column] = {}
    observed_at: Column | None = None

    @model_validator(mode="after")
    def _consent_is_clear(self) -> Self:
        for name in self.consent:
            purpose, _, channel = name.partition(".")
            if channel and purpose in self.consent:
                raise ValueError(
                    f"`consent` names {purpose!r} both for all channels and for {channel!r}; "
                    "name either one column or one for each channel"
                )
        return self


class RecordSource(ExtractSource):
    """Rows of orders, payments or subscriptions."""

    kind: Literal["records"]
    record_type: Literal["order", "payment", "subscription"]
    order_id: Column | None = None
    occurred_at: Column | None = None
    status: Column | None = None
    effects: dict[str, Effect] = {}
    identifiers: dict[Name, Column] = {}
    amounts: dict[Name, Amount] = {}
    properties: dict[str, Column] | Literal["rest"] = "rest"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.effects and self.status is None:
            raise ValueError(
                "`effects` maps a status, so `status` has to name its column"
            )
        if self.record_type == "order" and self.order_id is None:
            raise ValueError(
                "orders need `order_id`: the column with the order's number"
            )
        if self.record_type == "order" and not self.effects:
            raise ValueError(
                "orders need `status` and `effects`: what each status does to the order, "
                "such as `effects: {paid: completed, returned: refunded}`"
            )
        return self


class CatalogSource(ExtractSource):
    """Rows that describe products."""

    kind: Literal["catalog"]
    product_id: Column
    observed_at: Column | None = None
    amounts: dict[Name, Amount] = {}
    properties: dict[str, Column] | Literal["rest"] = "rest"


class MarketingSource(ExtractSource):
    """Ad metrics, one row per day and the finest level the platform reports."""

    kind: Literal["marketing"]
    platform: str = Field(
        min_length=1, description="Ad platform, the same for every row"
    )
    metric_date: Column
    fields: dict[
        Literal[
            "account_id",
            "campaign_id",
            "campaign_name",
            "ad_set_id",
            "ad_set_name",
            "ad_id",
            "ad_name",
            "currency",
            "impressions",
            "clicks",
            "conversions",
        ],
        Column,
    ] = {}
    amounts: dict[Literal["spend", "revenue"], Amount] = {}

    @model_validator(mode="after")
    def _has_currency(self) -> Self:
        if (
            self.amounts
            and "currency" not in self.fields
            and self.default_currency is None
        ):
            raise ValueError(
                "amounts need a currency: name its column under `fields` or set `default_currency`"
            )
        return self


KINDS: dict[str, type[Source]] = {
    "events": EventSource,
    "profiles": ProfileSource,
    "records": RecordSource,
    "catalog": CatalogSource,
    "marketing": MarketingSource,
}
