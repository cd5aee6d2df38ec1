"""The wire shapes: one function each that puts the sender's fields in our places, and a line in `read_shape` that says
how the shape is recognised.

What all shapes share (identifiers, times, event id, leftovers) is done in `ingestion.contracts.wire`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast, get_args

from ingestion.contracts.base import Identifier, JsonObject
from ingestion.contracts.events import Channel, EventType, Shape
from ingestion.contracts.identifiers import read_value, typed_by_form
from ingestion.contracts.mappings import AS_IT_COMES, EventMapping
from ingestion.contracts.refusals import Fault, Refused, invalid
from ingestion.contracts.triggers import Versions

EVENT_TYPES = frozenset(get_args(EventType))

DRIFT = "drift:"
"""Begins the flag that names a property its contract does not know."""

DRIFT_NAMED = 10
"""So many unknown properties of a call are named; who sends more has a different contract in mind."""


@dataclass(frozen=True)
class Origin:
    """What the door knows about a call besides its body."""

    source_id: str
    received_at: datetime
    channel: Channel
    endpoint: str
    call_type: EventType | None = None
    """The type that the path named, as in `/v1/track`."""
    mapping: EventMapping = AS_IT_COMES
    """What the source declares about its calls."""
    trigger: Versions | None = None
    """The trigger that the path named, as in `/triggers/cart_abandoned`."""
    is_single: bool = True
    idempotency_key: str | None = None
    user_agent: str | None = None
    """Of the browser that sent it; None when a server speaks for somebody."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those of a webhook that its mapping reads."""
    sent_at: Any = None
    context: JsonObject = field(default_factory=dict)
    """Of the batch, shared by its calls."""


class Draft(NamedTuple):
    """A call after its shape was read."""

    shape: Shape
    type: EventType
    name: Any
    properties: Any
    used: tuple[str, ...]
    """Fields with a place of their own; the others are kept under `context.extra`."""
    traits: Any = None
    identifiers: Sequence[Identifier] = ()
    spelling: Mapping[str, str] = MappingProxyType({})
    contract: str = "event"
    contract_version: str = "1.0"
    recipient: tuple[str, ...] = ()
    """Identifier types of which the call has to bring one."""
    flags: tuple[str, ...] = ()


def read_shape(call: JsonObject, origin: Origin) -> Draft:
    """Recognise the shape of a call and read it. Raises Refused if it has none, or breaks its own."""
    if origin.trigger is not None:
        return _trigger(call, origin, origin.trigger)
    if "event_name" in call or "event_type" in call:
        return _flat(call, origin)
    if "type" in call or origin.call_type is not None:
        return _segment(call, origin)
    if "event" in call:
        return _server(call)
    reason = "no known shape: send `type` (Segment spec), `event` (server event) or `event_name` (flat)"
    raise Refused("unknown_shape", Fault("", reason))


def _segment(call: JsonObject, origin: Origin) -> Draft:
    kind = _event_type(call.get("type", origin.call_type))
    if kind is None:
        raise invalid("type", f"must be one of {', '.join(sorted(EVENT_TYPES))}")
    name = "event" if kind == "track" else "name"
    if kind == "track" and call.get("event") in (None, ""):
        raise invalid("event", "a track call needs the name of its event")
    traits = call.get("traits")
    if kind == "identify" and not traits and isinstance(call.get("context"), dict):
        traits = call["context"].get("traits")  # where RudderStack's SDKs put them
    return Draft(
        "segment",
        kind,
        call.get(name),
        call.get("properties"),
        ("type", name, "properties", "previousId"),
        traits,
        _previous_id(call) if kind == "alias" else (),
        {"name": name},
    )


def _server(call: JsonObject) -> Draft:
    return Draft(
        shape="server",
        type="track",
        name=call["event"],
        properties=call.get("properties"),
        traits=call.get("traits"),
        used=("event", "properties"),
        spelling={"name": "event"},
    )


def _flat(call: JsonObject, origin: Origin) -> Draft:
    kind = call.get("event_type")
    known = _event_type(kind)
    payload = call.get("payload")
    return Draft(
        shape="flat",
        type=known or "track",
        name=call.get("event_name", None if known else kind),
        properties=payload,
        traits=payload if known == "identify" else call.get("traits"),
        used=("event_name", "payload", "identity", *(["event_type"] if known else [])),
        identifiers=_untyped_identity(call, origin.mapping.identity),
        spelling={"name": "event_name", "properties": "payload", "traits": "payload"},
    )


def _trigger(call: JsonObject, origin: Origin, versions: Versions) -> Draft:
    trigger = versions.of(call.get("version"))
    if origin.channel == "client" and not trigger.declaration.browsers:
        reason = "is not for the public keys of web pages; send it from a server"
        raise Refused("not_for_browsers", Fault("", reason))
    drift = trigger.drift(call.get("properties"))
    return Draft(
        shape="trigger",
        type="track",
        name=versions.name,
        properties=call.get("properties"),
        traits=call.get("traits"),
        used=("version", "properties"),
        contract=trigger.contract,
        contract_version=trigger.declaration.version,
        recipient=trigger.declaration.audience.identifiers,
        flags=tuple(f"{DRIFT}{name[:64]}" for name in drift[:DRIFT_NAMED]),
    )


def _previous_id(call: JsonObject) -> list[Identifier]:
    try:
        value = read_value(call.get("previousId"))
    except ValueError as error:
        raise invalid("previousId", str(error)) from None
    return [Identifier(type="previous_id", value=value)] if value else []


def _untyped_identity(call: JsonObject, kind: str | None) -> list[Identifier]:
    try:
        value = read_value(call.get("identity"))
    except ValueError as error:
        raise invalid("identity", str(error)) from None
    return [Identifier(type=kind or typed_by_form(value), value=value)] if value else []


def _event_type(value: Any) -> EventType | None:
    known = isinstance(value, str) and value in EVENT_TYPES
    return cast(EventType, value) if known else None
