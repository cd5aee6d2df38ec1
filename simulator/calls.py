"""A call: something that happened, in the shape its sender uses on the wire. One function per shape."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulator.people import AGENTS, Device

Json = dict[str, Any]

SHOP_URL = "https://shop.example"


@dataclass(frozen=True)
class Call:
    """`body` as sent, save for the clock of a skewed device, which `dressed` adds."""

    source_id: str
    body: Json
    at: datetime
    arrives_at: datetime
    skew: timedelta = timedelta(0)

    def dressed(self, now: datetime) -> Json:
        """The body as it leaves the device at `now`: a device with a wrong clock is wrong about both times."""
        if not self.skew:
            return self.body
        return {
            **self.body,
            "timestamp": iso(self.at + self.skew),
            "sentAt": iso(now + self.skew),
        }


@dataclass
class Ids:
    """Message ids in the order of asking."""

    namespace: str
    counts: dict[str, int] = field(default_factory=dict)

    def next(self, source_id: str) -> str:
        self.counts[source_id] = self.counts.get(source_id, 0) + 1
        return f"{source_id}-{self.namespace}-{self.counts[source_id]:07d}"


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def browser_call(
    message_id: str,
    kind: str,
    name: str | None,
    at: datetime,
    device: Device,
    *,
    user_id: str | None = None,
    properties: Json | None = None,
    traits: Json | None = None,
    page: Json | None = None,
    campaign: Json | None = None,
) -> Call:
    """A call of the browser's SDK, in the Segment shape."""
    context: Json = {
        "userAgent": AGENTS.get(device.form, device.form),
        "locale": "de-DE",
    }
    if page:
        context["page"] = page
    if campaign:
        context["campaign"] = campaign
    body: Json = {
        "type": kind,
        "messageId": message_id,
        "timestamp": iso(at),
        "anonymousId": device.anonymous_id,
        "userId": user_id,
        "context": context,
    }
    if name is not None:
        body["event" if kind == "track" else "name"] = name
    if kind == "identify":
        body["traits"] = traits or {}
    else:
        body["properties"] = properties or {}
    return Call("web_shop", body, at, at, device.skew)


def server_call(
    event_id: str,
    event: str,
    at: datetime,
    properties: Json,
    *,
    customer_id: str = "",
    email: str = "",
) -> Call:
    """A call of the shop's servers, in the server event shape."""
    body: Json = {
        "event": event,
        "event_id": event_id,
        "timestamp": iso(at),
        "properties": properties,
    }
    if customer_id:
        body["customer_id"] = customer_id
    if email:
        body["email"] = email
    return Call("shop_backend", body, at, at)


def mail_call(
    event_id: str, event: str, at: datetime, identity: str, payload: Json
) -> Call:
    """A call of the newsletter tool's webhook, in the flat shape."""
    body: Json = {
        "event_id": event_id,
        "event_type": "track",
        "event_name": event,
        "identity": identity,
        "timestamp": iso(at),
        "payload": payload,
    }
    return Call("mailing_tool", body, at, at)
