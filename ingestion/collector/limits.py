"""How much the door lets in, and reading a request's body within those bounds."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ingestion.contracts.refusals import Fault, Refused

KIB = 1024
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Limits:
    """Sizes are of the inflated body. The SDKs of the field keep to 32 KiB an event and 500 KiB a batch."""

    event_bytes: int = 32 * KIB
    batch_bytes: int = 500 * KIB
    batch_events: int = 2_500
    depth: int = 16
    keys: int = 512
    body_seconds: float = 15.0
    """From the first byte of the body to the last. Slow headers are a proxy's business."""
    retry_busy_seconds: int = 1
    retry_unavailable_seconds: int = 5


async def read_body(
    chunks: AsyncIterator[bytes], limits: Limits
) -> tuple[bytes, Refused | None]:
    """The body as it came. If it is too large or too slow: what came until then, and the refusal."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in chunks:
                size += len(chunk)
                if size > limits.batch_bytes:
                    return b"".join(parts), _too_large("body", limits.batch_bytes)
                parts.append(chunk)
    except TimeoutError:
        reason = f"the body took longer than {limits.body_seconds:g} s"
        return b"".join(parts), Refused("timeout", Fault("", reason))
    return b"".join(parts), None


def inflate(body: bytes, limits: Limits) -> bytes:
    """The body unzipped, if it is gzip by its first bytes, whatever its headers say. Stops at the limit."""
    if not body.startswith(GZIP_MAGIC):
        return body
    inflated = b""
    while body:
        reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        room = limits.batch_bytes + 1 - len(inflated)
        try:
            inflated += reader.decompress(body, room)
        except zlib.error as error:
            raise Refused("invalid_gzip", Fault("", f"broken gzip: {error}")) from None
        if len(inflated) > limits.batch_bytes:
            raise _too_large("inflated body", limits.batch_bytes)
        if not reader.eof:
            raise Refused("invalid_gzip", Fault("", "the gzip stream is cut short"))
        body = reader.unused_data.lstrip(b"\0")  # another member, or padding
    return inflated


def check_event(event: Any, raw: bytes, limits: Limits) -> None:
    """Raise Refused if the event, of which `raw` is the JSON, is too large, nested too deep or has too many keys."""
    size = len(raw)
    check_event_size(size, limits)
    # A key takes four bytes or more, and there are no more levels than brackets: most events need no closer look.
    may_have_keys = size > 4 * limits.keys and raw.count(b":") > limits.keys
    if may_have_keys or raw.count(b"{") + raw.count(b"[") > limits.depth:
        check_shape(event, limits)


def check_shape(event: Any, limits: Limits) -> None:
    """Raise Refused if the event is nested too deep or has too many keys."""
    keys, depth = 0, 0
    level = [event]
    while level:
        depth += 1
        below: list[Any] = []
        for each in level:
            values = each
            if each.__class__ is dict:
                keys += len(each)
                values = each.values()
            below += [v for v in values if v.__class__ is dict or v.__class__ is list]
        level = below
        if depth > limits.depth:
            reason = f"is nested deeper than {limits.depth} levels"
            raise Refused("too_deep", Fault("", reason))
        if keys > limits.keys:
            reason = f"has more than {limits.keys} keys"
            raise Refused("too_many_keys", Fault("", reason))


def check_event_size(size: int, limits: Limits) -> None:
    """Raise Refused if an event of `size` bytes is too large."""
    if size > limits.event_bytes:
        raise _too_large("event", limits.event_bytes)


def check_events(count: int, limits: Limits) -> None:
    """Raise Refused if a batch of `count` events is too long."""
    if count > limits.batch_events:
        reason = f"the batch has more than {limits.batch_events} events"
        raise Refused("too_large", Fault("", reason))


def _too_large(what: str, limit: int) -> Refused:
    return Refused("too_large", Fault("", f"the {what} is larger than {limit} bytes"))
