"""From a request's bytes to records and an answer for each event. No HTTP and no disk in here."""

import base64
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from ingestion.collector.limits import (
    Limits,
    check_event,
    check_event_size,
    check_events,
    check_shape,
)
from ingestion.collector.parsing import encode, encode_anything
from ingestion.contracts import Event, Landed, Reject
from ingestion.contracts.base import JsonObject
from ingestion.contracts.refusals import COLLECTION_REFUSED, Fault, Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import content, read_event
from ingestion.landing import new_record_id

BATCH_FIELDS = ("batch", "events")
ENVELOPE_BYTES = 4096
"""Of each thing that is kept beside the bytes of a reject: a batch's context would be kept once per item."""


REPEATS = "repeats:"
"""Begins the flag that counts an event's repeats within its request, so that what was received can be added up."""


@dataclass
class Intake:
    """What a request becomes: records to land, and one result per event in the order sent."""

    records: list[Landed] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


def take_single(
    call: Any, raw: bytes, origin: Origin, limits: Limits, record_id: UUID | None = None
) -> Event:
    """The event of a call, of which `raw` is the JSON. Raises Refused."""
    if not isinstance(call, dict):
        check_event_size(len(raw), limits)
        raise Refused("invalid_event", Fault("", "must be an object"))
    check_event(call, raw, limits)
    return read_event(call, origin, record_id or new_record_id())


def take_batch(body: Any, origin: Origin, limits: Limits) -> Intake:
    """The events of a batch, and a reject for each that is refused.

    An event that repeats one of the same request, word for word, is a duplicate and not landed again, but counted in
    a flag of the one that is; the same id with other content is landed, because the warehouse reports such conflicts.
    Raises Refused when the whole is no batch.
    """
    calls, origin = opened(body, origin, limits)
    check_events(len(calls), limits)
    intake, repeats = Intake(), Counter[str]()
    seen: dict[str, tuple[Any, Event]] = {}
    for index, call in enumerate(calls):
        try:
            where = of_item(origin, index)
            event = take_single(call, _encoded(call, limits), where, limits)
        except Refused as refusal:
            row = reject(refusal, encode_anything(call), where, index)
            intake.records.append(row)
            intake.results.append(rejected(index, refusal))
            continue
        said, first = seen.setdefault(event.event_id, (call, event))
        is_repeat = first is not event and content(said) == content(call)
        if is_repeat:
            repeats[event.event_id] += 1
        else:
            intake.records.append(event)
        status = "duplicate" if is_repeat else "accepted"
        result = {"index": index, "status": status, "event_id": event.event_id}
        intake.results.append(result)
    for event_id, times in repeats.items():
        seen[event_id][1].flags.append(f"{REPEATS}{times}")
    return intake


def _encoded(call: Any, limits: Limits) -> bytes:
    try:
        return encode(call)
    except Refused:
        check_shape(call, limits)  # what is too deep can't be written, and this says so
        raise


def reject(
    refusal: Refused, raw: bytes, origin: Origin, item: int | None = None
) -> Reject:
    """The record of a refusal, with the bytes as they came, unless those are what must not be kept."""
    if refusal.code == COLLECTION_REFUSED:
        origin = replace(origin, user_agent=None, headers={}, context={})
        raw = b""
    try:
        encoding, text = "utf-8", raw.decode("utf-8")
    except UnicodeDecodeError:
        encoding, text = "base64", base64.b64encode(raw).decode("ascii")
    return Reject.model_validate(
        {
            "source_id": origin.source_id,
            "received_at": origin.received_at,
            "code": refusal.code,
            "path": refusal.faults[0].path or None,
            "detail": str(refusal),
            "endpoint": origin.endpoint,
            "item": item,
            "encoding": encoding,
            "raw": text,
            "envelope": _envelope(origin),
        }
    )


def _envelope(origin: Origin) -> JsonObject:
    """What of the origin a replay can't read from the reject itself."""
    known = {
        "channel": origin.channel,
        "call_type": origin.call_type,
        "idempotency_key": origin.idempotency_key,
        "user_agent": origin.user_agent,
        "headers": dict(origin.headers),
        "sent_at": origin.sent_at,
        "context": origin.context,
    }
    return {name: value for name, value in known.items() if value and _is_small(value)}


def _is_small(value: Any) -> bool:
    """Whether it can be kept with every refused item of a batch."""
    try:
        return len(encode(value)) <= ENVELOPE_BYTES
    except Refused:
        return False


def _check_context(context: JsonObject, limits: Limits) -> None:
    """It ends up in every event of the batch, so it has to be fit for each. Raises Refused."""
    check_event(context, encode(context), limits)


def count(body: Any) -> int:
    """How many events a body seems to hold, whatever comes of them."""
    if isinstance(body, dict):
        body = next((body[name] for name in BATCH_FIELDS if name in body), body)
    return len(body) if isinstance(body, list) else 1


def opened(body: Any, origin: Origin, limits: Limits) -> tuple[list[Any], Origin]:
    """The calls of a batch, and what the batch says for all of them. Raises Refused if it is none."""
    if isinstance(body, list):
        return body, replace(origin, is_single=False)
    fields = body if isinstance(body, dict) else {}
    for name in BATCH_FIELDS:
        if isinstance(fields.get(name), list):
            context = fields.get("context")
            if isinstance(context, dict):
                _check_context(context, limits)
            shared = replace(
                origin,
                is_single=False,
                sent_at=fields.get("sentAt", fields.get("sent_at")),
                context=context if isinstance(context, dict) else {},
            )
            return fields[name], shared
    reason = 'must be a list of events, {"batch": [...]} or {"events": [...]}'
    raise Refused("invalid_batch", Fault("", reason))


def of_item(origin: Origin, index: int) -> Origin:
    """One key for a batch stands for its events in order."""
    if origin.idempotency_key is None:
        return origin
    return replace(origin, idempotency_key=f"{origin.idempotency_key}:{index}")


def rejected(index: int, refusal: Refused) -> dict[str, Any]:
    """The result of an item that was refused."""
    return {
        "index": index,
        "status": "rejected",
        "code": refusal.code,
        "errors": [vars(fault) for fault in refusal.faults],
    }
