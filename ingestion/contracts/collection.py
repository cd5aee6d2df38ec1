"""Consent at the door: what is kept of an event whose sender was told not to collect it.

A source says which purpose stands for collection, and what becomes of events that refuse it. Whether somebody may be
addressed later is decided in the warehouse; what is not kept here, nobody can decide about.
"""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.base import JsonObject
from ingestion.contracts.identifiers import SPELLINGS, TRAITS
from ingestion.contracts.refusals import COLLECTION_REFUSED, Fault, Refused

# As the seed consent_words has them; a test compares.
DENIED = frozenset(
    [
        "cleaned",
        "denied",
        "deny",
        "false",
        "n",
        "no",
        "opt_out",
        "opted_out",
        "redacted",
        "refused",
        "rejected",
        "revoked",
        "unsubscribed",
        "withdrawn",
        "0",
    ]
)
# What of the context says nothing about who it was.
IMPERSONAL = ("campaign", "consent", "library", "locale", "page", "referrer", "screen", "timezone", "userAgent")  # fmt: skip
ANONYMOUS = "collection_refused"
"""The flag of an event that was kept without the person."""


class Collection(BaseModel):
    """`purpose` as senders call it in their consent. Events that refuse it are kept without the person, or not at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purpose: str = Field(min_length=1)
    refused: Literal["anonymous", "nothing"] = "anonymous"

    def is_refused(self, fields: JsonObject) -> bool:
        """Whether the event says no. One that tells of a decision about consent is the evidence of it, and kept."""
        if _word(fields["name"]) == "consent_updated":
            return False
        said = list(_said(fields["consent"], _word(self.purpose)))
        return bool(said) and all(_word(each) in DENIED for each in said)

    def kept(self, fields: JsonObject, places: tuple[str, ...]) -> JsonObject:
        """The fields of the event without whoever it is about. Raises Refused when nothing is to be kept."""
        if self.refused == "nothing":
            reason = f"{self.purpose} was refused, so nothing of it is kept"
            raise Refused(COLLECTION_REFUSED, Fault("consent", reason))
        declared = {
            place.removeprefix("properties.").partition(".")[0] for place in places
        }
        personal = {*SPELLINGS, *TRAITS, *declared}
        return {
            **fields,
            "identifiers": [],
            "traits": None,
            "properties": _without(fields["properties"], personal),
            "context": _only(fields["context"], IMPERSONAL),
            "flags": [*fields["flags"], ANONYMOUS],
        }


def _said(consent: Any, purpose: str) -> Iterator[Any]:
    """The words about a purpose: `purpose`, `purpose.channel` or channels below it, with or without a manager's envelope."""
    if not isinstance(consent, dict):
        return
    for name, value in consent.items():
        if name == "categoryPreferences":
            yield from _said(value, purpose)
        elif _word(name.partition(".")[0]) == purpose:
            yield from value.values() if isinstance(value, dict) else [value]


def _word(text: Any) -> str:
    return str(text).strip().lower().replace("-", "_").replace(" ", "_")


def _without(properties: Any, names: set[str]) -> Any:
    if not isinstance(properties, dict):
        return properties
    return {name: value for name, value in properties.items() if name not in names}


def _only(context: Any, names: tuple[str, ...]) -> Any:
    return {n: context[n] for n in names if n in context} if context else context
