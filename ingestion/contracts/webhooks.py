"""How a source declares the webhooks another system sends us: who signed them, and which of our events they are.

Checking signatures and reading messages is the collector's. Paths go down by dots, into lists by number; a path that
begins with `header:` names a header of the request, with `message:` it starts at the top of the message.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ingestion.contracts.events import EventType

Scheme = Literal[
    "shopify",
    "stripe",
    "woocommerce",
    "standard_webhooks",
    "sendgrid",
    "mailgun",
    "hmac",
    "token",
]
Path = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")]
Purpose = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]

ANY = "*"
"""The topic that stands for every other."""

ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Declared(BaseModel):
    """Part of a declaration; an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Wanted = Annotated[tuple[str, ...], BeforeValidator(_as_listed)]
Where = dict[Path, Wanted]
"""What has to stand at each path: one of these texts, or `"*"` for anything at all."""


class Taken(Declared):
    """A value taken from a message: as it is, as money in major units, or from each member of a list."""

    path: Path | None = None
    otherwise: Path | None = None
    """Where to look when nothing stands at `path`."""
    constant: str | int | float | bool | None = None
    unit: Literal["major", "cents", "minor"] = "major"
    """`minor` is the currency's smallest unit, as payment services count: 1000 are 10.00 EUR, or 1000 JPY."""
    currency: Path | None = None
    each: dict[Name, "Value"] = {}
    """Names and paths within each member of the list at `path`."""
    sum: Path | None = None
    """The amount within each member of the list at `path`, of which the total is taken."""
    where: Where = {}
    """The members that count."""
    values: dict[str, str] = {}
    """What each value means here, such as `"true": denied`; any other is left out."""

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if (self.path is None) == (self.constant is None):
            raise ValueError("give either `path` or `constant`")
        if (self.unit == "minor") != (self.currency is not None):
            raise ValueError(
                "`unit: minor` needs `currency`, the path of its code, and nothing else does"
            )
        if self.sum and self.each:
            raise ValueError("give either `each` or `sum`")
        if self.where and not (self.sum or self.each):
            raise ValueError("`where` chooses among members, for `each` or `sum`")
        _check_apart(self.each)
        return self


def _check_apart(names: Iterable[str]) -> None:
    """Dots make objects, so `a` can't be a value beside `a.b`."""
    for name in names:
        if any(other.startswith(f"{name}.") for other in names):
            raise ValueError(f"{name!r} can't be a value and hold others; rename one")


def _as_taken(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


Value = Annotated[Taken, BeforeValidator(_as_taken)]
"""A path, or an object that says more."""


class MappedEvent(Declared):
    """One of our events, and where its fields are in the payload."""

    type: EventType = "track"
    name: str | None = None
    identifiers: dict[Name, Path] = {}
    """Of the person; an order's number is a property. What names nobody can still tell of an order."""
    properties: dict[Name, Value] | Literal["all"] = {}
    traits: dict[Name, Value] = {}
    consent: dict[Purpose, Literal["granted", "denied"] | Taken] = {}
    occurred_at: Path | None = None
    where: Where = {}
    """The messages of the topic that mean this; all if unset."""

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        _check_apart(self.properties if self.properties != "all" else ())
        _check_apart(self.traits)
        _check_apart(self.consent)
        return self

    @model_validator(mode="after")
    def _says_what_it_must(self) -> Self:
        if self.type == "track" and not self.name:
            raise ValueError(
                "an event of type track needs `name`, such as `Order Completed`"
            )
        if self.type in ("identify", "alias") and not self.identifiers:
            raise ValueError(
                f"{self.type} needs `identifiers`, such as `{{email: customer.email}}`"
            )
        return self


class Signature(Declared):
    """How a system without a scheme of its own signs: HMAC over the raw body."""

    header: str = Field(min_length=1)
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class Token(Declared):
    """How a system that does not sign shows that it is itself: the secret, in a header of each request."""

    header: str = Field(default="Authorization", min_length=1)
    prefix: str = ""
    basic: bool = False
    """HTTP Basic; the secret is then `name:password`."""


class Places(Declared):
    """Where a message says what it is."""

    topic: Path | None = None
    message_id: Path | None = None
    occurred_at: Path | None = None
    payload: Path | None = None


PLACES: dict[Scheme, Places] = {
    "shopify": Places(
        topic="header:X-Shopify-Topic", message_id="header:X-Shopify-Webhook-Id"
    ),
    "stripe": Places(
        topic="type", message_id="id", occurred_at="created", payload="data.object"
    ),
    "woocommerce": Places(topic="header:X-WC-Webhook-Topic"),
    "standard_webhooks": Places(
        topic="type",
        message_id="header:webhook-id",
        occurred_at="timestamp",
        payload="data",
    ),
    "sendgrid": Places(
        topic="event", message_id="sg_event_id", occurred_at="timestamp"
    ),
    "mailgun": Places(
        topic="event-data.event",
        message_id="event-data.id",
        occurred_at="event-data.timestamp",
        payload="event-data",
    ),
    "hmac": Places(),
    "token": Places(),
}
"""What a scheme's documentation says; a declaration may say otherwise. Where each was read stands in
`ingestion.collector.signatures`.

Shopify's X-Shopify-Event-Id is one for all webhooks of an event. WooCommerce's X-WC-Webhook-Delivery-ID is a hash
of the webhook and the second, shared by all orders of that second, so it names nothing.
"""


class Webhook(Places):
    """The `webhook` section of a source of events."""

    scheme: Scheme
    secret: str = Field(pattern=f"^{ENVIRONMENT.pattern}$")
    """`${NAME}`: secrets come from the environment, never from a file that is committed."""
    signature: Signature | None = None
    token: Token | None = None
    messages: Path | None = None
    """Where the list is, if one request carries several; a body that is a list needs no path."""
    events: dict[str, tuple[MappedEvent, ...]] = Field(min_length=1)
    """Topic → the event, or events, it becomes."""
    ignore: tuple[str, ...] = ()
    """Topics that are of no interest. Any other that is not mapped is kept as a reject, for when it is."""

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, given: object) -> object:
        events = given.get("events") if isinstance(given, dict) else None
        if not isinstance(events, dict):
            return given
        listed = {
            topic: each if isinstance(each, list) else [each]
            for topic, each in events.items()
        }
        return {**given, "events": listed}  # type: ignore[dict-item]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.scheme == "hmac") != (self.signature is not None):
            raise ValueError(
                "`scheme: hmac` needs `signature`, such as `{header: X-Signature, encoding: hex}`, "
                "and the other schemes bring their own"
            )
        if (self.scheme == "token") != (self.token is not None):
            raise ValueError(
                "`scheme: token` needs `token`, such as `{header: X-Token}`, and the other schemes have none"
            )
        if self.places.topic is None and set(self.events) != {ANY}:
            raise ValueError(
                f'`topic` has to say where a message names its kind; without one, map "{ANY}" alone'
            )
        return self

    @cached_property
    def places(self) -> Places:
        given = self.model_dump(include=set(Places.model_fields), exclude_none=True)
        return PLACES[self.scheme].model_copy(update=given)

    @property
    def variable(self) -> str:
        """The environment's name of the secret."""
        return ENVIRONMENT.sub(r"\1", self.secret)

    @cached_property
    def headers(self) -> frozenset[str]:
        """The headers that are read, in lower case."""
        declared = self.places.model_dump_json() + self.model_dump_json()
        return frozenset(
            name.lower() for name in re.findall(r"header:([\w-]+)", declared)
        )
