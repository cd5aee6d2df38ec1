"""One request through the door: who sends it, what it holds, is it safe on the disk, what do we answer.

Reading and judging events is `intake`; paths and the documentation page are `app`.
"""

import base64
import binascii
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ingestion.collector.answers import Answered, answer, problem, refused
from ingestion.collector.intake import count, reject, take_batch, take_single
from ingestion.collector.keys import Key, KeyStore
from ingestion.collector.limits import Limits, inflate, read_body
from ingestion.collector.metrics import Metrics, Tally
from ingestion.collector.oauth import Issuers, IssuerSilent, NotTrusted, ScopeMissing
from ingestion.collector.parsing import parse
from ingestion.collector.rates import Rates
from ingestion.collector.signatures import is_ping, is_signed
from ingestion.collector.tenants import HOUSE, Tenant, Tenants
from ingestion.collector.webhooks import (
    WebhookSource,
    take_messages,
    webhook_origin,
)
from ingestion.contracts import Event, Landed
from ingestion.contracts.base import JsonObject
from ingestion.contracts.events import EventType
from ingestion.contracts.refusals import Fault, Refused
from ingestion.contracts.shapes import DRIFT, Origin
from ingestion.contracts.triggers import Versions, catalogue
from ingestion.landing import LandingFull, LandingUnavailable


@dataclass(frozen=True)
class Body:
    """A request's body, read as far as it can be."""

    value: Any
    raw: bytes
    """As it was sent, once inflated."""
    flaw: Refused | None
    """Why it is not JSON by the letter, if it isn't."""


@dataclass(frozen=True)
class Received:
    """A request whose sender is known and whose body was read."""

    tenant: Tenant
    origin: Origin
    raw: bytes
    body: Body


@dataclass(frozen=True)
class Door:
    """What every request needs. One per process."""

    tenants: Tenants
    keys: KeyStore
    limits: Limits = field(default_factory=Limits)
    issuers: Issuers = field(default_factory=Issuers)
    rates: Rates = field(default_factory=Rates)
    metrics: Metrics = field(default_factory=Metrics)

    async def single(
        self, request: Request, call_type: EventType | None = None
    ) -> Response:
        """Take in one event."""
        event = await self._one(await self._receive(request, call_type))
        return answer({"success": True, "event_id": event.event_id})

    async def trigger(self, request: Request, name: str) -> Response:
        """Take in a call of a custom trigger."""
        event = await self._one(await self._receive(request), name)
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

    async def _one(self, received: Received, trigger: str | None = None) -> Event:
        """Land a request's one event, or what it was refused for."""
        origin, body = received.origin, received.body
        try:
            if body.flaw:
                raise body.flaw
            if trigger is not None:
                origin = replace(origin, trigger=_versions(received.tenant, trigger))
            event = take_single(body.value, body.raw, origin, self.limits)
        except Refused as refusal:
            row = reject(refusal, received.raw, origin)
            await self._land(received.tenant, origin, [row])
            raise refused(refusal) from None
        await self._land(received.tenant, origin, [event])
        return event

    async def webhook(
        self, request: Request, name: str, tenant_name: str = HOUSE
    ) -> Response:
        """Take in what another system tells us; its signature is its key."""
        tenant = self.tenants.of(tenant_name)
        source = tenant.webhooks.get(name) if tenant else None
        if tenant is None or source is None:
            raise problem(404, "unknown_webhook", "no source of this name has webhooks")
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
            Origin(
                *(name, datetime.now(UTC), "webhook", request.scope["path"]),
                mapping=tenant.mapping(name),
            ),
            source.webhook,
            request.headers,
        )
        try:
            value, flaw = parse(inflate(raw, self.limits))
            if flaw:
                raise flaw
            intake = take_messages(value, raw, source, origin, self.limits)
        except Refused as refusal:
            await self._land(tenant, origin, [reject(refusal, raw, origin)])
            raise refused(refusal) from None
        await self._land(tenant, origin, intake.records, intake.results)
        return answer({"success": True, "results": intake.results})

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
        safe, answered = self._batch(await self._receive(request))
        await safe
        if isinstance(answered, Answered):
            raise answered
        return answered

    def _batch(self, received: Received) -> tuple[Awaitable[None], Response | Answered]:
        """Everything of a batch but the wait for the disk, and what to say after it.

        It is a call of its own so that a batch's thousands of objects are gone before the wait: the next one gets
        their memory while the processor still has it at hand.
        """
        tenant, origin, body = received.tenant, received.origin, received.body
        try:
            intake = take_batch(body.value, origin, self.limits)
        except Refused as refusal:
            said = body.flaw or refusal
            rows = [reject(said, received.raw, origin)]
            return self._land(tenant, origin, rows), refused(said)
        safe = self._land(tenant, origin, intake.records, intake.results)
        content = {"success": True, "status": "enqueued", "results": intake.results}
        return safe, answer(content)

    async def sources(self, request: Request) -> Response:
        """Who sends what, for those who may do more than send."""
        key = await self._header_key(request)
        if key is None:
            message = "send a key as X-API-Key, Basic user name or bearer token"
            raise problem(401, "unauthorized", message, WWW_Authenticate="Bearer")
        if set(key.scopes) == {"tracker"}:
            raise problem(403, "forbidden", "the keys of web pages can only send")
        return answer({"sources": list(self._tenant(key).sources)})

    async def triggers(self, request: Request) -> list[JsonObject]:
        """The catalogue of whoever asks; of the house for those who show no key."""
        key = await self._header_key(request)
        tenant = self._tenant(key) if key else self.tenants.house
        return catalogue(tenant.triggers)

    async def counted(self, request: Request) -> bytes:
        """The metrics: a tenant's own for its keys, everything for the house's, the house's for those without one."""
        key = await self._header_key(request)
        whose = key.tenant or None if key else HOUSE
        if key and set(key.scopes) == {"tracker"}:
            raise problem(403, "forbidden", "the keys of web pages can only send")
        counted = self.metrics.text(self.tenants.is_healthy, whose)
        tenant = self._tenant(key) if key else self.tenants.house
        return counted + tenant.told_of_deliveries()

    async def _receive(
        self, request: Request, call_type: EventType | None = None
    ) -> Received:
        """A request as far as it can be read. What can't is landed as a reject."""
        key = await self._header_key(request)
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
                tenant = self._tenant(key)
                origin = _origin(request, key, tenant)
                await self._land(tenant, origin, [reject(refusal, raw, origin)])
            raise refused(refusal) from None
        key = key or self._body_key(request, value)
        tenant = self._tenant(key)
        self.rates.spend(key, count(value))
        origin = _origin(request, key, tenant, call_type)
        return Received(tenant, origin, raw, Body(value, inflated, flaw))

    def _tenant(self, key: Key) -> Tenant:
        tenant = self.tenants.of(key.tenant or HOUSE)
        if tenant is None:
            seconds = str(self.limits.retry_unavailable_seconds)
            message = "this tenant is closed; the collector's log says why"
            raise problem(503, "unavailable", message, Retry_After=seconds)
        return tenant

    async def _header_key(self, request: Request) -> Key | None:
        offered = offered_key(request.headers)
        if offered is None:
            return None
        key = self.keys.find(offered) or await self._bearer(offered)
        return self._admitted(request, key)

    async def _bearer(self, token: str) -> Key | None:
        """What a token of an issuer we trust stands for."""
        try:
            return await self.issuers.key(token)
        except ScopeMissing as error:
            challenge = 'Bearer error="insufficient_scope"'
            raise problem(
                403, "forbidden", str(error), WWW_Authenticate=challenge
            ) from None
        except NotTrusted as error:
            challenge = 'Bearer error="invalid_token"'
            raise problem(
                401, "unauthorized", str(error), WWW_Authenticate=challenge
            ) from None
        except IssuerSilent as error:
            seconds = str(self.limits.retry_unavailable_seconds)
            raise problem(503, "unavailable", str(error), Retry_After=seconds) from None

    def _body_key(self, request: Request, value: Any) -> Key:
        """The key of senders that can't set headers, such as a browser's beacon."""
        offered = value.get("writeKey") if isinstance(value, dict) else None
        known = self.keys.find(offered) if isinstance(offered, str) else None
        return self._admitted(request, known)

    def admit(self, request: Request, text: str) -> Key:
        """The key with this text, if it may be used from there."""
        return self._admitted(request, self.keys.find(text))

    def _admitted(self, request: Request, key: Key | None) -> Key:
        """The key, if it is known and may be used now, from there."""
        if key is None:
            message = "unknown key; send it as X-API-Key, Basic user name, bearer token or writeKey"
            raise problem(401, "unauthorized", message, WWW_Authenticate="Bearer")
        if not key.allows_origin(request.headers.get("origin")):
            raise problem(403, "forbidden", "this key is not for use from this origin")
        seconds = self.rates.wait(key)
        if seconds:
            self.metrics.rate_limited(self._tenant(key).label(key.source_id))
            message = f"more than {key.events_per_second:g} events a second"
            raise problem(429, "rate_limited", message, Retry_After=str(seconds))
        return key

    def _land(
        self,
        tenant: Tenant,
        origin: Origin,
        records: Sequence[Landed],
        results: Sequence[JsonObject] = (),
    ) -> Awaitable[None]:
        """Hand over a request's records. What is returned ends when they are safe, or raises what says when to try
        again, and holds none of them."""
        try:
            done = tenant.writer.landing(records)
        except (LandingFull, LandingUnavailable) as error:
            raise self._not_landed(error) from error
        return self._safe(done, tenant, origin.source_id, Tally(records, results))

    async def _safe(
        self, done: Awaitable[object], tenant: Tenant, source_id: str, tally: Tally
    ) -> None:
        try:
            await done
        except LandingUnavailable as error:
            raise self._not_landed(error) from error
        self.metrics.landed(tally, source_id, tenant.label)

    def _not_landed(self, error: LandingFull | LandingUnavailable) -> Answered:
        if isinstance(error, LandingFull):
            seconds = str(self.limits.retry_busy_seconds)
            return problem(429, "busy", str(error), Retry_After=seconds)
        seconds = str(self.limits.retry_unavailable_seconds)
        message = "nothing can be stored right now"
        return problem(503, "unavailable", message, Retry_After=seconds)


async def _of(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


TheDoor = Annotated[Door, Depends(_of)]
"""The door of the application, as its paths take it."""


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


def _versions(tenant: Tenant, name: str) -> Versions:
    versions = tenant.triggers.get(name)
    if versions is None:
        reason = f"no trigger is called {name[:64]!r}; GET /triggers lists them"
        raise Refused("unknown_trigger", Fault("", reason))
    return versions


def _origin(
    request: Request, key: Key, tenant: Tenant, call_type: EventType | None = None
) -> Origin:
    is_browser = "tracker" in key.scopes
    return Origin(
        source_id=key.source_id,
        received_at=datetime.now(UTC),
        channel=key.channel,
        endpoint=request.scope["path"],
        call_type=call_type,
        mapping=tenant.mapping(key.source_id),
        idempotency_key=(request.headers.get("idempotency-key") or "").strip() or None,
        user_agent=request.headers.get("user-agent") if is_browser else None,
    )
