"""A visit: the shop's state, and one person on one device moving forward in time.

What is bought on it is shopping.py; who visits when is lives.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from simulator.calls import SHOP_URL, Call, Ids, browser_call
from simulator.catalogue import Campaign, Product
from simulator.orders import Order, euros
from simulator.people import Device, Person

Json = dict[str, Any]


@dataclass
class Shop:
    """The shop's own state: numbers it has given out, orders it has taken, consents it was given."""

    namespace: str
    start: datetime
    until: datetime
    ids: Ids
    orders: list[Order] = field(default_factory=list)
    consents: dict[int, tuple[bool, datetime]] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)  # campaign and day → visits
    numbers: int = 0

    def order_number(self) -> str:
        self.numbers += 1
        return f"O-{self.namespace}-{self.numbers:05d}"


@dataclass
class Visit:
    """One person on one device, moving forward in time."""

    shop: Shop
    person: Person
    device: Device
    random: Random
    at: datetime
    campaign: Campaign | None
    referrer: str
    user_id: str | None = None

    def step(self, shortest: float, longest: float) -> None:
        """Let some seconds pass."""
        self.at += timedelta(
            milliseconds=int(self.random.uniform(shortest, longest) * 1000)
        )

    def browser(self, kind: str, name: str | None, path: str, **fields: Any) -> Call:
        page = {"url": SHOP_URL + path, "path": path, "referrer": self.referrer}
        campaign = None
        if self.campaign:
            source, medium, label = (
                self.campaign.source,
                self.campaign.medium,
                self.campaign.name,
            )
            campaign = {"source": source, "medium": medium, "name": label}
        self.referrer = page["url"]
        return browser_call(
            self.shop.ids.next("web_shop"),
            kind,
            name,
            self.at,
            self.device,
            user_id=self.user_id,
            page=page,
            campaign=campaign,
            **fields,
        )


def login(here: Visit) -> Iterator[Call]:
    person = here.person
    here.step(5, 40)
    here.user_id = person.user_id
    traits: Json = {"email": person.email, "first_name": person.first_name}
    if person.phone and here.random.random() < 0.3:
        traits["phone"] = f"0{person.phone[3:]}"
    yield here.browser("identify", None, "/login", traits=traits)


def described(product: Product) -> Json:
    return {
        "product_id": product.product_id,
        "name": product.name,
        "category": product.category,
        "price": euros(product.cents),
        "currency": "EUR",
    }
