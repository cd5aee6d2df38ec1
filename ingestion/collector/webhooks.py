"""Messages of another system, once their signature is known to be good, become calls in the Segment shape.

What a call then means is judged like any other's. Declaring webhooks is `ingestion.contracts.webhooks`, signatures are
signatures.py.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from ingestion.collector.intake import Intake, reject, rejected, take_single
from ingestion.collector.limits import Limits, check_events
from ingestion.collector.parsing import encode, encode_anything
from ingestion.contracts import Event, Reject
from ingestion.contracts.base import JsonObject
from ingestion.contracts.identifiers import TOP_LEVEL, read_value
from ingestion.contracts.mappings import at
from ingestion.contracts.refusals import IGNORED_TOPIC, Fault, Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.webhooks import ANY, MappedEvent, Taken, Webhook, Where

NO_CENTS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
THREE_PLACES = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
"""Currencies whose smallest unit is not a hundredth, as docs.stripe.com/currencies counts them (read on 2026-11-22).
UGX and ISK have no cents either and are sent with two zeros all the same."""

Headers = Mapping[str, str]


@dataclass(frozen=True)
class WebhookSource:
    """A source that sends webhooks, with its secret if the environment has it."""

    source_id: str
    webhook: Webhook
    secret: str | None


@dataclass(frozen=True)
class Message:
    """One message, and what its request said about it."""

    body: Any
    payload: Any
    headers: Headers

    def at(self, path: str) -> Any:
        """The value at a path, None where there is nothing."""
        if path.startswith("header:"):
            return self.headers.get(path.removeprefix("header:").lower())
        if path.startswith("message:"):
            return at(self.body, path.removeprefix("message:"))
        return at(self.payload, path)


def take_messages(
    body: Any, raw: bytes, source: WebhookSource, origin: Origin, limits: Limits
) -> Intake:
    """The events of a request, and a reject for each message that can't be one. Raises Refused for too many."""
    messages = numbered(body, source.webhook)
    check_events(len(messages), limits)
    intake = Intake()
    for index, (item, message) in enumerate(messages):
        try:
            events = message_events(message, source.webhook, origin, limits, item)
        except Refused as refusal:
            kept = raw if item is None else encode_anything(message)
            intake.records.append(reject(refusal, kept, origin, item))
            intake.results.append(rejected(index, refusal))
            continue
        intake.records += events or [_passed_over(message, source, origin, item)]
        status = "accepted" if events else "ignored"
        ids = [event.event_id for event in events]
        intake.results.append({"index": index, "status": status, "event_ids": ids})
    return intake


def numbered(body: Any, webhook: Webhook) -> list[tuple[int | None, Any]]:
    """The messages of a request with their places in it, None for the place of the only one."""
    if isinstance(body, list):
        return list(enumerate(body))
    if webhook.messages is None:
        return [(None, body)]
    found = at(body, webhook.messages)
    if not isinstance(found, list):
        reason = "must be a list of messages"
        raise Refused("invalid_webhook", Fault(webhook.messages, reason))
    return list(enumerate(found))


def message_events(
    body: Any, webhook: Webhook, origin: Origin, limits: Limits, item: int | None
) -> list[Event]:
    """What one message becomes; nothing if its topic is ignored, or means nothing this time. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused("invalid_webhook", Fault("", "a message must be an object"))
    canonical = _canonical(body)
    places = webhook.places
    message = Message(body, body, origin.headers)
    topic = ANY if places.topic is None else _text(message.at(places.topic))
    if topic in webhook.ignore:
        return []
    mapped = webhook.events.get(topic) or webhook.events.get(ANY)
    if mapped is None:
        reason = f"topic {topic[:80]!r} is not mapped; add it to `events` or `ignore` of {origin.source_id}"
        raise Refused("unmapped_topic", Fault(places.topic or "", reason))
    payload = body if places.payload is None else message.at(places.payload)
    message = replace(message, payload=payload)
    hashed = hashlib.sha256(canonical + topic.encode("utf-8", "replace")).hexdigest()
    events = []
    for place, each in enumerate(mapped):
        if not _is_wanted(message, each.where):
            continue
        call = _call(message, each, topic)
        call["messageId"] = _message_id(message, hashed, webhook, item, place)
        when = message.at(each.occurred_at) if each.occurred_at else None
        if when is None and places.occurred_at:
            when = at(body, places.occurred_at)
        call["timestamp"] = when
        events.append(take_single(call, encode(call), origin, limits))
    return events


def _passed_over(
    body: JsonObject, source: WebhookSource, origin: Origin, item: int | None
) -> Reject:
    """That a message came and what it was about. Whoever ignores a topic does not want its contents kept."""
    place = source.webhook.places.topic or ""
    topic = _text(Message(body, body, origin.headers).at(place))
    reason = f"topic {topic[:80]!r} is ignored by {source.source_id}"
    if topic not in source.webhook.ignore:
        reason = f"topic {topic[:80]!r} means nothing to {source.source_id} this time"
    return reject(Refused(IGNORED_TOPIC, Fault(place, reason)), b"", origin, item)


def webhook_origin(origin: Origin, webhook: Webhook, headers: Headers) -> Origin:
    """The origin with the headers that the mapping reads."""
    read = {name: headers[name] for name in webhook.headers if name in headers}
    return replace(origin, channel="webhook", headers=read)


def _canonical(body: JsonObject) -> bytes:
    try:
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Refused("invalid_webhook", Fault("", str(error))) from None


def _message_id(
    message: Message, hashed: str, webhook: Webhook, item: int | None, place: int
) -> str:
    """The sender's id of the message, or its hash, so that what is sent again is the same event again."""
    path = webhook.places.message_id or ""
    is_shared = path.startswith("header:")
    given = _text(message.at(path) if is_shared else at(message.body, path))
    if not given:
        given, is_shared = hashed, True
    parts = [given]
    if is_shared and item is not None:
        parts.append(str(item))
    if place:
        parts.append(f"event-{place + 1}")
    return ":".join(parts)


def _call(message: Message, mapped: MappedEvent, topic: str) -> JsonObject:
    call: JsonObject = {"type": mapped.type, "context": {"webhook": {"topic": topic}}}
    call["event" if mapped.type == "track" else "name"] = mapped.name
    others = []
    for kind, path in mapped.identifiers.items():
        value = message.at(path)
        if kind in TOP_LEVEL:
            call[TOP_LEVEL[kind][0]] = value
        elif value is not None:
            others.append({"type": kind, "id": value})
    if others:
        call["context"]["externalIds"] = others
    if mapped.properties == "all":
        call["properties"] = message.payload
    else:
        call["properties"] = _taken(message, mapped.properties)
    if mapped.traits:
        call["traits"] = _taken(message, mapped.traits)
    if mapped.consent:
        call["consent"] = _consent(message, mapped)
    return call


def _taken(message: Message, wanted: Mapping[str, Taken]) -> JsonObject:
    """The wanted values under their names; dots make objects, and what isn't there is left out."""
    found: JsonObject = {}
    for name, taken in wanted.items():
        value = _value(message, taken)
        if value is not None:
            _put(found, name, value)
    return found


def _value(message: Message, taken: Taken) -> Any:
    if taken.path is None:
        return taken.constant
    value = message.at(taken.path)
    if value is None and taken.otherwise:
        value = message.at(taken.otherwise)
    if value is None:
        return None
    if taken.values:
        return taken.values.get(
            str(value).lower() if isinstance(value, bool) else _text(value)
        )
    if taken.each:
        return [_taken(each, taken.each) for each in _members(message, value, taken)]
    currency = _text(message.at(taken.currency)) if taken.currency else None
    if taken.sum:
        said = (each.at(taken.sum) for each in _members(message, value, taken))
        amounts = (_amount(each, currency, taken.sum) for each in said if each)
        return format(sum(amounts, Decimal()), "f")
    if currency is None:
        return value
    return format(_amount(value, currency, taken.path), "f")


def _members(message: Message, value: Any, taken: Taken) -> list[Message]:
    """The members of a list that count, each as a message of its own."""
    members = value if isinstance(value, list) else [value]
    found = (replace(message, payload=member) for member in members)
    return [each for each in found if _is_wanted(each, taken.where)]


def _is_wanted(message: Message, where: Where) -> bool:
    for path, wanted in where.items():
        value = message.at(path)
        if value is None or (ANY not in wanted and _text(value) not in wanted):
            return False
    return True


def _amount(value: Any, currency: str | None, path: str) -> Decimal:
    """An amount in major units: given in them, or in the smallest unit of a currency, if one is named (`""` counts in
    hundredths)."""
    places = 0 if currency is None else 2
    if currency and currency.upper() in NO_CENTS:
        places = 0
    elif currency and currency.upper() in THREE_PLACES:
        places = 3
    try:
        amount = Decimal(str(value)).scaleb(-places)
    except InvalidOperation:
        amount = Decimal("NaN")
    is_sane = amount.is_finite() and (not amount or -12 < amount.adjusted() < 15)
    if isinstance(value, bool) or not is_sane:
        raise Refused("invalid_webhook", Fault(path, "must be an amount of money"))
    return amount


def _consent(message: Message, mapped: MappedEvent) -> JsonObject:
    said: JsonObject = {}
    for purpose, given in mapped.consent.items():
        answer = given if isinstance(given, str) else _value(message, given)
        if answer is not None:
            _put(said, purpose, answer)
    return said


def _put(found: JsonObject, name: str, value: Any) -> None:
    *parents, leaf = name.split(".")
    for parent in parents:
        found = found.setdefault(parent, {})
    found[leaf] = value


def _text(value: Any) -> str:
    try:
        return read_value(value) or ""
    except ValueError:
        return ""


def missing_secrets(sources: Mapping[str, WebhookSource]) -> Iterator[str]:
    """A sentence for each source whose secret is missing."""
    for source in sources.values():
        if source.secret is None:
            name = source.webhook.variable
            yield f"webhooks of {source.source_id} are not taken in: {name} is not set"
