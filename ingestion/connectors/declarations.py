"""Sources as people declare them: one model per kind, each rule with its remedy.

Reading the YAML files is loading.py; what the declarations do to rows is mapping.py.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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


def _as_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Consent(Declared):
    """A column that says whether somebody agreed, and the source's own words for it if it has some."""

    column: Column
    granted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    silent: tuple[str, ...] = Field(
        default=(), description="Words that say neither; blank never does"
    )

    @property
    def has_words(self) -> bool:
        return bool(self.granted or self.denied or self.silent)


def _as_identified(value: Any) -> Any:
    return (
        value
        if isinstance(value, dict)
        else {"columns": [value] if isinstance(value, str) else value}
    )


class Identified(Declared):
    """The columns that hold identifiers of one type; those of one row belong to one person."""

    columns: tuple[Column, ...] = Field(min_length=1)
    separator: str | None = Field(
        default=None, min_length=1, description="What stands between several in a cell"
    )
    together: bool = Field(
        default=False,
        description="The columns make one identifier, in small letters; none if one of them is blank",
    )

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if self.together and (self.separator or len(self.columns) < 2):
            raise ValueError("`together` needs two columns or more, and no `separator`")
        return self


Identifiers = dict[Name, Annotated[Identified, BeforeValidator(_as_identified)]]


def _as_freshness(value: Any) -> Any:
    return {"within": value} if isinstance(value, str) else value


class Freshness(Declared):
    """How old a source's news may be before it is late."""

    within: str = Field(pattern=r"^[1-9][0-9]*[mhd]$")
    by: Literal["file", "row"] | None = Field(
        default=None,
        description="What is looked at: the newest file's time, or the newest row's",
    )

    @property
    def limit(self) -> timedelta:
        unit = {"m": "minutes", "h": "hours", "d": "days"}[self.within[-1]]
        return timedelta(**{unit: int(self.within[:-1])})


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
    trusted_alias: bool = Field(
        default=False,
        description="Its aliases between two accounts make one person whatever the limits say",
    )
    freshness: Annotated[Freshness, BeforeValidator(_as_freshness)] | None = None


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
    delete_marker: Column | None = Field(
        default=None,
        description="Column that marks a row as deleted: yes, or the time at which it was",
    )
    types: dict[Column, ColumnType] = {}

    @model_validator(mode="after")
    def _can_see_deletions(self) -> Self:
        if self.deletes == "missing" and self.extract.cursor_column:
            raise ValueError(
                "`deletes: missing` needs all rows at each pull, and `extract.cursor` reads only new ones; "
                "remove one of them, or name a `delete_marker`"
            )
        return self

    @cached_property
    def meaningful(self) -> frozenset[str]:
        """The columns that have a meaning of their own, so that they are no attribute or property."""
        return frozenset({*self.row_key, *_names(self.delete_marker)})

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column the declaration names: the extract has to have them all."""
        cursor = _names(self.extract.cursor_column)
        return frozenset({*self.row_key, *self.meaningful, *self.types, *cursor})

    def fingerprint(self) -> str:
        """What the declaration says; another one when it is edited."""
        said = self.model_dump_json(serialize_as_any=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def has_shrunk(self, rows: int, before: int) -> bool:
        """Whether so many rows are gone that a person should look. What reads only new rows cannot tell."""
        return self.extract.cursor_column is None and rows * 2 <= before > rows

    def newest(self, written: datetime | None, row: datetime | None) -> datetime | None:
        """The time by which the extract is fresh or late: a file's, where files are, else a row's."""
        by = self.freshness and self.freshness.by
        return (row if by == "row" else written) or row


class Word(Declared):
    """A word about each row: what a column holds, what that means here, or the same for all."""

    column: Column | None = None
    values: dict[str, str] = Field(
        default={}, description="What each word means here; others stay as they are"
    )
    constant: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either `column` or `constant`")
        return self


class EventRows(ExtractSource):
    """Rows that are events: a table of them, or files that a system exports. What happened stays happened."""

    kind: Literal["events"]
    row_key: tuple[Column, ...] = Field(
        default=(), description="Of files, left out: a row is its file and line"
    )
    event: Annotated[Word, BeforeValidator(_as_column)] | None = None
    type: Annotated[Word, BeforeValidator(_as_column)] = Word(constant="track")
    occurred_at: Column
    identifiers: Identifiers = {}
    properties: dict[str, Column] | Literal["rest"] = "rest"
    traits: dict[str, Column] = {}
    context: dict[str, Column] = {}
    consent: dict[Purpose, Annotated[Consent, BeforeValidator(_as_column)]] = {}

    @cached_property
    def meaningful(self) -> frozenset[str]:
        consents = (consent.column for consent in self.consent.values())
        words = _names(self.type.column, self.event.column if self.event else None)
        named = {*_identifying(self.identifiers), *consents, *words, self.occurred_at}
        placed = _mapped(self.traits) | _mapped(self.context)
        return super().meaningful | named | placed

    @cached_property
    def columns(self) -> frozenset[str]:
        return super().columns | _mapped(self.properties)

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        if not self.row_key and self.extract.connector != "files":
            raise ValueError(
                "`row_key` has to name the columns that tell events apart: only rows of files have a place of their own"
            )
        if self.deletes != "none" or self.delete_marker:
            raise ValueError(
                "events are not deleted by leaving their table; remove `deletes` and `delete_marker`"
            )
        return self


class ProfileSource(ExtractSource):
    """Rows that describe people."""

    kind: Literal["profiles"]
    identifiers: Identifiers = Field(min_length=1)
    attributes: dict[str, Column] | Literal["rest"] = "rest"
    consent: dict[Purpose, Annotated[Consent, BeforeValidator(_as_column)]] = {}
    observed_at: Column | None = None

    @cached_property
    def meaningful(self) -> frozenset[str]:
        consents = (consent.column for consent in self.consent.values())
        named = {*_identifying(self.identifiers), *consents, *_names(self.observed_at)}
        return super().meaningful | named

    @cached_property
    def columns(self) -> frozenset[str]:
        return super().columns | _mapped(self.attributes)

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
    identifiers: Identifiers = {}
    amounts: dict[Name, Amount] = {}
    properties: dict[str, Column] | Literal["rest"] = "rest"

    @cached_property
    def meaningful(self) -> frozenset[str]:
        places = _names(self.order_id, self.occurred_at, self.status)
        named = {*_identifying(self.identifiers), *places, *_amounts(self.amounts)}
        return super().meaningful | named

    @cached_property
    def columns(self) -> frozenset[str]:
        return super().columns | _mapped(self.properties)

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

    @cached_property
    def meaningful(self) -> frozenset[str]:
        named = {*_names(self.product_id, self.observed_at), *_amounts(self.amounts)}
        return (super().meaningful - {*self.row_key}) | named

    @cached_property
    def columns(self) -> frozenset[str]:
        return super().columns | _mapped(self.properties)


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

    @cached_property
    def columns(self) -> frozenset[str]:
        named = {self.metric_date, *self.fields.values(), *_amounts(self.amounts)}
        return super().columns | named

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


def _names(*columns: str | None) -> set[str]:
    return {column for column in columns if column is not None}


def _identifying(identifiers: Identifiers) -> set[str]:
    return {column for each in identifiers.values() for column in each.columns}


def _amounts(amounts: dict[Any, Amount]) -> set[str]:
    return {amount.column for amount in amounts.values()}


def _mapped(declared: dict[str, str] | str) -> frozenset[str]:
    return frozenset() if isinstance(declared, str) else frozenset(declared.values())


def kind_of(declared: Mapping[str, Any]) -> type[Source] | None:
    """The model that a declaration is judged by; None if its kind is unknown."""
    kind = KINDS.get(str(declared.get("kind")))
    return EventRows if kind is EventSource and "extract" in declared else kind


KINDS: dict[str, type[Source]] = {
    "events": EventSource,
    "profiles": ProfileSource,
    "records": RecordSource,
    "catalog": CatalogSource,
    "marketing": MarketingSource,
}
