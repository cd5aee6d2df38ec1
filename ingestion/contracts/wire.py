"""A call as it came over the wire becomes a canonical event.

Belongs here: what every shape shares, that is identifiers, times, event id, leftovers. Where each shape keeps its fields
is `ingestion.contracts.shapes`.
"""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from pydantic import ValidationError

from ingestion.contracts.base import Identifier, JsonObject
from ingestion.contracts.clock import Named, Times, read_times
from ingestion.contracts.events import Channel, Event
from ingestion.contracts.identifiers import (
    SPELLINGS,
    envelope_identifiers,
    payload_identifiers,
    read_value,
    without_repeats,
)
from ingestion.contracts.refusals import Fault, Refused, from_pydantic, invalid
from ingestion.contracts.shapes import Draft, Origin, read_shape

CHANNELS: dict[str, Channel] = {
    "client": "client",
    "web": "client",
    "browser": "client",
    "mobile": "client",
    "server": "server",
    "webhook": "webhook",
    "batch": "batch",
}

EVENT_ID = ("messageId", "message_id", "event_id", "eventId")
SENT_AT = ("sentAt", "sent_at")
ORIGINAL = ("originalTimestamp", "original_timestamp")
TIMESTAMP = ("timestamp", "occurred_at")
PLACED = frozenset(
    {
        *(*EVENT_ID, *SENT_AT, *ORIGINAL, *TIMESTAMP),
        *("context", "consent", "traits", "writeKey"),
        *SPELLINGS,
    }
)
"""Envelope fields that every shape has a place for."""

KNOWN = frozenset(
    {
        "type",
        "event",
        "name",
        "category",
        "groupId",
        "previousId",
        "properties",
        "integrations",
        "version",
        "channel",
        "receivedAt",
        "_metadata",
        "userAgent",
        "event_type",
        "event_name",
        "payload",
        "identity",
    }
)
"""Fields that the field's SDKs send and that carry no news when they turn up."""

LAYOUTS_KEPT = 256
"""An SDK sends a handful of them. A stranger's own cost memory, at most an event's worth of names each."""


class Layout(NamedTuple):
    """What the names of a call's fields alone tell, worked out once for all calls that have the same."""

    identifiers: tuple[str, ...]
    event_id: tuple[str, ...]
    sent_at: tuple[str, ...]
    original: tuple[str, ...]
    timestamp: tuple[str, ...]
    leftover: tuple[str, ...]
    has_unknown: bool


@lru_cache(LAYOUTS_KEPT)
def layout(names: tuple[str, ...], used: tuple[str, ...]) -> Layout:
    """The layout of calls with fields of these names, of which the shape used some."""
    leftover = tuple(n for n in names if n not in PLACED and n not in used)
    return Layout(
        identifiers=tuple(each for each in SPELLINGS if each in names),
        event_id=_there(EVENT_ID, names),
        sent_at=_there(SENT_AT, names),
        original=_there(ORIGINAL, names),
        timestamp=_there(TIMESTAMP, names),
        leftover=leftover,
        has_unknown=not KNOWN.issuperset(leftover),
    )


def _there(spellings: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The spellings that occur; the first where none does, because it is what a fault is named by."""
    return tuple(each for each in spellings if each in names) or spellings[:1]


def read_event(call: JsonObject, origin: Origin, record_id: UUID) -> Event:
    """The canonical event of a call in any shape. Raises Refused with every reason that was found."""
    flags: list[str] = []
    call = _unnested(call, flags)
    draft = read_shape(call, origin)
    fields = layout(tuple(call), draft.used)
    context = _context(call, fields, origin, flags)
    people_traits = None if draft.type == "group" else draft.traits
    declared = origin.mapping.found(draft.properties, draft.traits, context)
    identifiers = [
        *envelope_identifiers(call, fields.identifiers),
        *draft.identifiers,
        *payload_identifiers(people_traits, context, declared, flags),
    ]
    _check_recipient(draft, identifiers)
    times = _times(call, fields, origin)
    event_id = given_event_id(call, origin, fields.event_id)
    said = {
        "record_id": record_id,
        "contract": draft.contract,
        "contract_version": draft.contract_version,
        "source_id": origin.source_id,
        "received_at": origin.received_at,
        "event_id": event_id or _derived_id(call, origin, record_id),
        "type": draft.type,
        "name": draft.name,
        "occurred_at": times.occurred_at,
        "sent_at": times.sent_at,
        "original_timestamp": times.original_timestamp,
        "identifiers": without_repeats(identifiers),
        "properties": draft.properties,
        "traits": draft.traits,
        "context": context,
        "channel": _channel(call, origin),
        "consent": _consent(call, context),
        "shape": draft.shape,
        "flags": list(dict.fromkeys([*flags, *draft.flags, *times.flags])),
    }
    collection = origin.mapping.collection
    if collection and collection.is_refused(said):
        places = tuple(origin.mapping.identifiers.values())
        said = collection.kept(said, places)
    try:
        return Event.model_validate(said)
    except ValidationError as error:
        raise from_pydantic(error, draft.spelling) from None


def given_event_id(
    call: JsonObject, origin: Origin, spellings: tuple[str, ...] = EVENT_ID
) -> str | None:
    """The id the sender gave the event, in the body or in the request's header, if it did."""
    found = _id(*_first(call, spellings))
    if found is None and origin.idempotency_key:
        found = _id("Idempotency-Key", origin.idempotency_key)
    return found


def _id(path: str, value: Any) -> str | None:
    try:
        return read_value(value)
    except ValueError as error:
        raise invalid(path, str(error)) from None


def content(call: JsonObject) -> JsonObject:
    """What a call says, without what changes when it is sent again."""
    return {
        name: value
        for name, value in call.items()
        if name not in (*SENT_AT, "writeKey")
    }


def _unnested(call: JsonObject, flags: list[str]) -> JsonObject:
    """`track({event: …, userId: …})` of a server library passed where the browser's `track(name)` was meant."""
    inner = call.get("event")
    if not (isinstance(inner, dict) and isinstance(inner.get("event"), str)):
        return call
    flags.append("nested_call")
    return {**call, **inner}


def _context(
    call: JsonObject, fields: Layout, origin: Origin, flags: list[str]
) -> JsonObject | None:
    """The call's context over its batch's, with the leftovers of the envelope under `extra`."""
    given = call.get("context")
    if given is not None and not isinstance(given, dict):
        raise invalid("context", "must be an object")
    context = {**origin.context, **(given or {})}
    if origin.user_agent and not context.get("userAgent"):
        context["userAgent"] = origin.user_agent
    if fields.has_unknown:
        flags.append("unknown_field")
    if fields.leftover:
        extra = {name: call[name] for name in fields.leftover}
        own = context.get("extra")
        context["extra"] = {**own, **extra} if isinstance(own, dict) else extra
    return context or None


def _check_recipient(draft: Draft, identifiers: list[Identifier]) -> None:
    """What has a recipient must name one: nobody can act on it later otherwise."""
    if draft.recipient and not any(
        each["type"] in draft.recipient for each in identifiers
    ):
        reason = f"one of {', '.join(draft.recipient)} has to name the recipient"
        raise Refused("invalid_trigger", Fault(draft.recipient[0], reason))


def _times(call: JsonObject, fields: Layout, origin: Origin) -> Times:
    sent = _first(call, fields.sent_at)[1]
    return read_times(
        origin.received_at,
        given=_first(call, fields.timestamp),
        original=_first(call, fields.original),
        sent=origin.sent_at if sent is None else sent,
    )


def _derived_id(call: JsonObject, origin: Origin, record_id: UUID) -> str:
    """A single call that says when it happened is the same call when it comes again. In a batch, equal rows may be
    real, and without a time nothing tells a repeat from a second event."""
    if not origin.is_single or _first(call, (*TIMESTAMP, *ORIGINAL))[1] is None:
        return str(record_id)
    said = content(call)
    if origin.trigger:
        said["trigger"] = origin.trigger.name
    elif origin.call_type:
        said.setdefault("type", origin.call_type)
    canonical = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def _channel(call: JsonObject, origin: Origin) -> Channel:
    given = call.get("channel")
    return (
        CHANNELS.get(given, origin.channel)
        if isinstance(given, str)
        else origin.channel
    )


def _consent(call: JsonObject, context: JsonObject | None) -> Any:
    """Consent in the envelope, or where consent managers put it; what isn't an object there is context only."""
    if call.get("consent") is not None:
        return call["consent"]
    in_context = (context or {}).get("consent")
    return in_context if isinstance(in_context, dict) else None


def _first(call: JsonObject, spellings: tuple[str, ...]) -> Named:
    """The first spelling that has a value, and the value."""
    for spelling in spellings:
        value = call.get(spelling)
        if value is not None:
            return spelling, value
    return spellings[0], None
