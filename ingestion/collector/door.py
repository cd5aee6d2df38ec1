"""One request through the door: who sends it, what it holds, is it safe on the disk, what do we answer.

Reading and judging events is `intake`; paths and the documentation page are `app`.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ingestion.collector.answers import answer, problem, refused
from ingestion.collector.intake import count, reject, take_batch, take_single
from ingestion.collector.keys import Key, KeyStore
from ingestion.collector.limits import Limits, inflate, read_body
from ingestion.collector.metrics import Metrics
from ingestion.collector.parsing import parse
from ingestion.collector.rates import Rates
from ingestion.collector.signatures import is_ping, is_signed
from ingestion.collector.webhooks import (
    WebhookSource,
    take_messages,
    webhook_origin,
)
from ingestion.contracts import Landed
from ingestion.contracts.base import JsonObject
from ingestion.contracts.events import EventType
from ingestion.contracts.refusals import Fault, Refused
from ingestion.contracts.shapes import DRIFT, Origin
from ingestion.contracts.triggers import Triggers, Versions
from ingestion.landing import LandingFull, LandingUnavailable, LandingWriter


@dataclass(frozen=True)
class Body:
    """A request's body, read as far as it can be."""

    value: Any
    size: int
    flaw: Refused | None
    """Why it is not JSON by the letter, if it isn't."""


@dataclass(frozen=True)
class Door:
    """What every request needs. One per process."""

    writer: LandingWriter
    keys: KeyStore
    limits: Limits = field(default_factory=Limits)
    triggers: Triggers = field(default_factory=dict)
    webhooks: Mapping[str, WebhookSource] = field(default_factory=dict)
    sources: Sequence[JsonObject] = ()
    rates: Rates = field(default_factory=Rates)
    metrics: Metrics = field(default_factory=Metrics)

    async def single(
        self, request: Request, call_type: EventType | None = None
    ) -> Response:
        """Take in one event."""
        origin, raw, body = await self._receive(request, call_type)
        try:
            if body.flaw:
                raise body.flaw
            event = take_single(body.value, body.size, origin, self.limits)
        except Refused as refusal:
            await self._land([reject(refusal, raw, origin)])
            raise refused(refusal) from None
        await self._land([event])
        return answer({"success": True, "event_id": event.event_id})

    async def trigger(self, request: Request, name: str) -> Response:
        """Take in a call of a custom trigger."""
        origin, raw, body = await self._receive(request)
        try:
            if body.flaw:
                raise body.flaw
            origin = replace(origin, trigger=self._versions(name, origin))
            event = take_single(body.value, body.size, origin, self.limits)
        except Refused as refusal:
            await self._land([reject(refusal, raw, origin)])
            raise refused(refusal) from None
        await self._land([event])
        drift = [
            flag.removeprefix(DRIFT) for flag in event.flags if flag.startswith(DRIFT)
        ]
        return answer(
            {
                "success": True,
                "event_id": event.event_id,
                "trigger": name,
                "version": event.contract_version,
                "unknown_properties": drift,
            }
        )

    async def webhook(self, request: Request, name: str) -> Response:
        """Take in what another system tells us; its signature is its key."""
        source = self._webhook_source(name)
        try:
            raw, refusal = await read_body(request.stream(), self.limits)
        except ClientDisconnect:
            raise problem(400, "disconnected", "the body never came") from None
        if refusal:
            raise refused(refusal)
        if is_ping(source.webhook, raw):
            return answer({"success": True, "results": []})
        self._check_signature(request, source, raw)
        origin = webhook_origin(
            Origin(name, datetime.now(UTC), "webhook", request.url.path),
            source.webhook,
            request.headers,
        )
        try:
            value, flaw = parse(inflate(raw, self.limits))
            if flaw:
                raise flaw
            intake = take_messages(value, raw, source, origin, self.limits)
        except Refused as refusal:
            await self._land([reject(refusal, raw, origin)])
            raise refused(refusal) from None
        await self._land(intake.records)
        self.metrics.passed_over(name, intake.results)
        return answer({"success": True, "results": intake.results})

    def _webhook_source(self, name: str) -> WebhookSource:
        source = self.webhooks.get(name)
        if source is None:
            raise problem(404, "unknown_webhook", "no source of this name has webhooks")
        return source

    def _check_signature(
        self, request: Request, source: WebhookSource, raw: bytes
    ) -> None:
        if source.secret is None:
            seconds = str(self.limits.retry_unavailable_seconds)
            message = "the secret of this webhook is not set; see the collector's log"
            raise problem(503, "unavailable", message, Retry_After=seconds)
        if not is_signed(source.webhook, source.secret, request.headers, raw):
            message = "the signature is missing, wrong, or too old"
            raise problem(401, "bad_signature", message)

    async def batch(self, request: Request) -> Response:
        """Take in many events; a bad one is refused alone."""
        origin, raw, body = await self._receive(request)
        check_sizes = bool(body.flaw) or body.size > self.limits.event_bytes
        try:
            intake = take_batch(body.value, origin, self.limits, check_sizes)
        except Refused as refusal:
            await self._land([reject(body.flaw or refusal, raw, origin)])
            raise refused(body.flaw or refusal) from None
        await self._land(intake.records)
        self.metrics.passed_over(origin.source_id, intake.results)
        return answer(
            {"success": True, "status": "enqueued", "results": intake.results}
        )

    def catalogue_of_sources(self, request: Request) -> Response:
        """Who sends what, for those who may do more than send."""
        key = self._header_key(request)
        if key is None:
            message = "send a key as X-API-Key, Basic user name or bearer token"
            raise problem(401, "unauthorized", message, WWW_Authenticate="Bearer")
        if set(key.scopes) == {"tracker"}:
            raise problem(403, "forbidden", "the keys of web pages can only send")
        return answer({"sources": list(self.sources)})

    async def _receive(
        self, request: Request, call_type: EventType | None = None
    ) -> tuple[Origin, bytes, Body]:
        """Who sends it, the bytes as they came, and the body. What can't be read is landed as a reject."""
        key = self._header_key(request)
        try:
            raw, refusal = await read_body(request.stream(), self.limits)
        except ClientDisconnect:
            raise problem(400, "disconnected", "the body never came") from None
        try:
            if refusal:
                raise refusal
            inflated = inflate(raw, self.limits)
            value, flaw = parse(inflated)
        except Refused as refusal:
            if key:
                await self._land([reject(refusal, raw, _origin(request, key))])
            raise refused(refusal) from None
        key = key or self._body_key(request, value)
        self.rates.spend(key, count(value))
        origin = replace(_origin(request, key), call_type=call_type)
        return origin, raw, Body(value, len(inflated), flaw)

    def _versions(self, name: str, origin: Origin) -> Versions:
        versions = self.triggers.get(name)
        if versions is None:
            reason = f"no trigger is called {name[:64]!r}; GET /triggers lists them"
            raise Refused("unknown_trigger", Fault("", reason))
        return versions

    def _header_key(self, request: Request) -> Key | None:
        offered = offered_key(request.headers)
        return None if offered is None else self._known(request, offered)

    def _body_key(self, request: Request, value: Any) -> Key:
        """The key of senders that can't set headers, such as a browser's beacon."""
        offered = value.get("writeKey") if isinstance(value, dict) else None
        return self._known(request, offered if isinstance(offered, str) else "")

    def _known(self, request: Request, offered: str) -> Key:
        key = self.keys.find(offered)
        if key is None:
            message = "unknown key; send it as X-API-Key, Basic user name, bearer token or writeKey"
            raise problem(401, "unauthorized", message, WWW_Authenticate="Bearer")
        if not key.allows_origin(request.headers.get("origin")):
            raise problem(403, "forbidden", "this key is not for use from this origin")
        seconds = self.rates.wait(key)
        if seconds:
            self.metrics.rate_limited(key.source_id)
            message = f"more than {key.events_per_second:g} events a second"
            raise problem(429, "rate_limited", message, Retry_After=str(seconds))
        return key

    async def _land(self, records: Sequence[Landed]) -> None:
        """Return when the records are safe, or answer when to try again."""
        try:
            await asyncio.wrap_future(self.writer.submit(records))
            self.metrics.landed(records)
        except LandingFull as error:
            seconds = str(self.limits.retry_busy_seconds)
            raise problem(429, "busy", str(error), Retry_After=seconds) from error
        except LandingUnavailable as error:
            seconds = str(self.limits.retry_unavailable_seconds)
            message = "nothing can be stored right now"
            raise problem(503, "unavailable", message, Retry_After=seconds) from error


def offered_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request's headers carry, None if they carry none."""
    if "x-api-key" in headers:
        return headers["x-api-key"]
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).partition(b":")[0].decode()
        except (binascii.Error, ValueError):
            return ""
    return None


def _origin(request: Request, key: Key) -> Origin:
    is_browser = "tracker" in key.scopes
    return Origin(
        source_id=key.source_id,
        received_at=datetime.now(UTC),
        channel=key.channel,
        endpoint=request.url.path,
        idempotency_key=(request.headers.get("idempotency-key") or "").strip() or None,
        user_agent=request.headers.get("user-agent") if is_browser else None,
    )
