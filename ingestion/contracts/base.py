"""The envelope that every landed record shares, and the types its fields are made of.

Belongs here: what is true of every stream. One stream's own fields live in its module; how lines reach the disk is
`ingestion.landing`.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

MILLRACE = "millrace"
"""The source of our own facts."""


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC; a naive one is read as UTC already."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


# Always UTC, because the warehouse's timestamps drop any other offset without a word.
UtcTime = Annotated[datetime, AfterValidator(as_utc)]

JsonObject = dict[str, Any]


class Identifier(TypedDict):
    """One way to point at a person: a type such as `email`, and the value as given."""

    type: str
    value: str


class Landed(BaseModel):
    """A record on its way to the landing zone. Its fields are the columns of `raw.<stream>`.

    `contract` names what it was validated against. `record_id` is assigned by the writer unless it is set already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: ClassVar[str]

    record_id: UUID | None = None
    source_id: str = Field(min_length=1)
    received_at: UtcTime = Field(default_factory=lambda: datetime.now(UTC))
    contract: str
    contract_version: str = "1.0"

    def to_line(self, record_id: UUID) -> bytes:
        """The record as one line of NDJSON, newline included.

        Times are UTC with a `Z`, to the microsecond (no fraction when it is zero).
        Raises ValueError for what JSON cannot hold: lone surrogates, integers beyond 64 bits.
        """
        row = {**self.__dict__, "record_id": record_id, "stream": self.stream}
        try:
            return orjson.dumps(
                row,
                default=_decimal_as_text,
                option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
            )
        except orjson.JSONEncodeError as error:
            raise ValueError(
                f"a {self.stream} record cannot be written as JSON: {error}"
            ) from error


class ExtractRow(Landed):
    """A row read from somebody else's system; `row_hash` covers the row after its source's mapping."""

    row_key: str = Field(min_length=1)
    op: Literal["upsert", "delete"] = "upsert"
    row_hash: str
    file: str | None = None
    line: int | None = None


class OwnFact(Landed):
    """Something this platform decided or observed about itself."""

    source_id: str = MILLRACE


def _decimal_as_text(value: Any) -> str:
    """Decimals as text keep every digit; the warehouse casts them by the column's type."""
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here")
