"""Reading identifiers out of a call: which fields name a person, and under which type.

Values stay as given, trimmed, numbers as text. Whether a value is junk or worth merging on is decided in the
warehouse, where the rules can be changed and replayed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ingestion.contracts.base import Identifier
from ingestion.contracts.refusals import invalid

LONGEST = 512
"""Characters. Longer ones are payload that slipped into an id."""

TOP_LEVEL = {
    "user_id": ("userId", "user_id", "customer_id", "customerId"),
    "email": ("email",),
    "phone": ("phone",),
    "email_sha256": ("email_hash", "email_sha256"),
    "anonymous_id": ("anonymousId", "anonymous_id"),
}
"""Identifier type → how senders spell it in the envelope."""

SPELLINGS = {
    spelling: kind for kind, spellings in TOP_LEVEL.items() for spelling in spellings
}

TRAITS = {"email": "email", "phone": "phone", "email_hash": "email_sha256"}
"""Trait → identifier type."""

EXACT_INTEGERS = 2**53
"""Beyond this a number that went through a double may be somebody else's id."""


def envelope_identifiers(
    call: dict[str, Any], spellings: Iterable[str]
) -> list[Identifier]:
    """The identifiers in the envelope's fields of these names, which are among SPELLINGS.

    Raises Refused for one that is neither text nor number.
    """
    found: list[Identifier] = []
    for spelling in spellings:
        try:
            value = read_value(call[spelling])
        except ValueError as error:
            raise invalid(spelling, str(error)) from None
        if value:
            found.append({"type": SPELLINGS[spelling], "value": value})
    return found


def payload_identifiers(
    traits: Any,
    context: Any,
    declared: Iterable[tuple[str, Any]],
    flags: list[str],
) -> list[Identifier]:
    """The identifiers in traits, in context, and where the source declared them. One that can't be read is payload,
    and flagged."""
    found: list[Identifier] = []
    for kind, value in [*_in_traits(traits), *_in_context(context), *declared]:
        try:
            text = read_value(value)
        except ValueError:
            flags.append("unreadable_identifier")
            continue
        if text:
            found.append({"type": kind, "value": text})
    return found


def typed_by_form(value: str) -> str:
    """The type of an identifier that came without one. A phone needs its `+`: bare digits are some system's id."""
    if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return "email"
    if re.fullmatch(r"\+[\d\s().\-/]{6,24}", value):
        return "phone"
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return "email_sha256"
    return "user_id"


def read_value(value: Any) -> str | None:
    """An identifier's value as text, None if there is nothing in it.

    Raises ValueError with the remedy for what can't be one.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > LONGEST:
            raise ValueError(f"is longer than {LONGEST} characters")
        return text or None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be text or a number")
    if isinstance(value, float) and abs(value) >= EXACT_INTEGERS:
        raise ValueError("is too large a number to be exact; send it as text")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def without_repeats(found: list[Identifier]) -> list[Identifier]:
    """Each identifier once, where it was found first."""
    if len({each["value"] for each in found}) == len(found):
        return found
    return list({(each["type"], each["value"]): each for each in found}.values())


def _in_traits(traits: Any) -> list[tuple[str, Any]]:
    if not traits or not isinstance(traits, dict):
        return []
    return [(kind, traits[trait]) for trait, kind in TRAITS.items() if trait in traits]


def _in_context(context: Any) -> list[tuple[str, Any]]:
    if not context or not isinstance(context, dict):
        return []
    found = _in_traits(context.get("traits"))
    device = context.get("device")
    if isinstance(device, dict) and device.get("id") is not None:
        found.append((_device_type(device.get("type")), device["id"]))
    if "externalIds" in context:
        found += _external(context["externalIds"])
    if "externalId" in context:
        found += _external(context["externalId"])
    return found


def _device_type(kind: Any) -> str:
    """Vendor ids mean different things on different systems, so the system is part of the type."""
    if isinstance(kind, str) and kind.strip():
        return f"{kind.strip().lower()[:64]}.id"
    return "device_id"


def _external(ids: Any) -> Iterator[tuple[str, Any]]:
    """External ids as a list of {type, id}, or an object of type → id."""
    if isinstance(ids, dict):
        ids = [{"type": kind, "id": value} for kind, value in ids.items()]
    for each in ids if isinstance(ids, list) else []:
        kind = each.get("type") if isinstance(each, dict) else None
        if isinstance(kind, str) and kind.strip():
            yield kind.strip()[:64], each.get("id")
