"""What people do on the site: visits, logins, carts, orders, and what follows from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from simulator.calls import SHOP_URL, Call, Ids, browser_call, mail_call, server_call
from simulator.catalogue import CAMPAIGNS, REFERRERS, Campaign, Product
from simulator.orders import (
    Order,
    Status,
    aftermath,
    euros,
    filled_cart,
    viewed_products,
)
from simulator.people import Device, Person

Json = dict[str, Any]

JUNK_USER_IDS = ("undefined", "null", "", "anonymous")
REFUNDS: dict[Status, str] = {
    "cancelled": "order_cancelled",
    "refunded": "order_refunded",
    "partly_refunded": "order_partially_refunded",
}


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


def life(shop: Shop, person: Person, seed: int) -> Iterator[Call]:
    """Everything one person does between the shop's start and its end."""
    random = Random(f"{seed}/life/{person.number}")
    if person.kind == "crm_only":
        return
    day = shop.start
    while day < shop.until:
        if random.random() < person.visits_per_day:
            at = day + timedelta(
                milliseconds=random.randrange(6 * 3600_000, 23 * 3600_000)
            )
            yield from visit(shop, person, random, at)
        day += timedelta(days=1)
    yield from _newsletters(shop, person, random)


def visit(shop: Shop, person: Person, random: Random, at: datetime) -> Iterator[Call]:
    campaign = random.choice(CAMPAIGNS) if random.random() < 0.4 else None
    referrer = (
        random.choice(REFERRERS) if campaign is None and random.random() < 0.5 else ""
    )
    device = random.choice(person.devices)
    here = Visit(shop, person, device, random, at, campaign, referrer)
    if campaign:
        key = f"{campaign.name}/{at:%Y-%m-%d}"
        shop.arrivals[key] = shop.arrivals.get(key, 0) + 1
    if not person.user_id and random.random() < 0.05:
        here.user_id = random.choice(JUNK_USER_IDS)
    yield here.browser("page", "Home", "/")
    if person.user_id and random.random() < 0.4:
        yield from _login(here)
    viewed = viewed_products(random)
    for product in viewed:
        here.step(8, 150)
        path = f"/p/{product.product_id.lower()}"
        yield here.browser("page", product.name, path)
        yield here.browser(
            "track", "Product Viewed", path, properties=_product(product)
        )
    if person.kind != "browser" and random.random() < 0.35:
        yield from _shopping(here, viewed)
    elif random.random() < 0.04:
        yield from _shopping(here, viewed, leave=True)


def _login(here: Visit) -> Iterator[Call]:
    person = here.person
    here.step(5, 40)
    here.user_id = person.user_id
    traits: Json = {"email": person.email, "first_name": person.first_name}
    if person.phone and here.random.random() < 0.3:
        traits["phone"] = f"0{person.phone[3:]}"
    yield here.browser("identify", None, "/login", traits=traits)


def _shopping(
    here: Visit, viewed: list[Product], leave: bool = False
) -> Iterator[Call]:
    shop, random = here.shop, here.random
    order = Order(
        shop.order_number(), here.person, filled_cart(random, viewed), here.at
    )
    for product, quantity in order.lines:
        here.step(5, 60)
        line = {**_product(product), "quantity": quantity, "order_id": order.order_id}
        yield here.browser("track", "Product Added", "/cart", properties=line)
    if leave or random.random() < 0.3:
        return
    here.step(10, 90)
    order.shipping = 0 if order.gross >= 4000 else 490
    order.discount = order.gross // 10 if random.random() < 0.2 else 0
    started = {"order_id": order.order_id, "products": order.products()}
    yield here.browser("track", "Checkout Started", "/checkout", properties=started)
    if random.random() < 0.2:
        return
    if here.person.user_id and here.user_id != here.person.user_id:
        yield from _login(here)
    elif not here.person.user_id:
        traits = {"email": here.person.email, "first_name": here.person.first_name}
        yield here.browser("identify", None, "/checkout", traits=traits)
    here.step(30, 240)
    yield from _purchase(here, order)


def _purchase(here: Visit, order: Order) -> Iterator[Call]:
    """The browser says so and the servers say so; one browser in twelve is not heard."""
    shop, person = here.shop, here.person
    order.at, order.status = here.at, "paid"
    shop.orders.append(order)
    known = {
        "order_id": order.order_id,
        **order.amounts(),
        "products": order.products(),
    }
    if here.random.random() > 0.08:
        yield here.browser("track", "Order Completed", "/thanks", properties=known)
    booked = {**known, "gross": euros(order.gross), "payment_method": "card"}
    booked_at = here.at + timedelta(milliseconds=here.random.randrange(200, 4000))
    yield _booked(here, "purchase_completed", booked_at, booked)
    if here.random.random() < 0.3:
        yield _consent(shop, person, booked_at + timedelta(seconds=20), granted=True)
        if here.random.random() < 0.12:
            later = booked_at + timedelta(days=here.random.uniform(1, 9))
            if later < shop.until:
                yield _consent(
                    shop, person, later.replace(microsecond=0), granted=False
                )
    yield from _later(here, order)


def _later(here: Visit, order: Order) -> Iterator[Call]:
    happened = aftermath(here.random, order, here.shop.until)
    if happened is None:
        if here.shop.until - order.at > timedelta(days=2):
            order.status, order.changed_at = "shipped", order.at + timedelta(days=1)
        return
    order.status, order.changed_at = happened
    first, quantity = order.lines[0]
    order.refunded = {
        "refunded": order.total,
        "partly_refunded": first.cents * quantity,
    }.get(order.status, 0)
    properties: Json = {"order_id": order.order_id, "currency": "EUR"}
    if order.refunded:
        properties["refunded"] = euros(order.refunded)
    yield _booked(here, REFUNDS[order.status], order.changed_at, properties)


def _booked(here: Visit, event: str, at: datetime, properties: Json) -> Call:
    person = here.person
    return server_call(
        here.shop.ids.next("shop_backend"),
        event,
        at,
        properties,
        customer_id=person.user_id,
        email="" if person.user_id else person.email,
    )


def _consent(shop: Shop, person: Person, at: datetime, *, granted: bool) -> Call:
    shop.consents[person.number] = (granted, at)
    return server_call(
        shop.ids.next("shop_backend"),
        "consent_updated",
        at,
        {
            "purpose": "marketing",
            "channel": "email",
            "state": "granted" if granted else "denied",
            "evidence": "checkout box" if granted else "unsubscribe link",
        },
        customer_id=person.user_id,
        email=person.email,
    )


def _newsletters(shop: Shop, person: Person, random: Random) -> Iterator[Call]:
    """Opens and clicks of the weekly mail; the tool names people by address, one in four by its hash."""
    if not person.newsletter or person.kind == "browser":
        return
    identity = person.email if random.random() < 0.75 else hashed(person.email)
    week = shop.start
    while week < shop.until:
        at = week + timedelta(minutes=random.randrange(7 * 60, 60 * 60))
        week += timedelta(days=7)
        if random.random() > 0.4 or at >= shop.until:
            continue
        payload = {"campaign": "weekly", "subject": "New beans"}
        yield mail_call(
            shop.ids.next("mailing_tool"), "Email Opened", at, identity, payload
        )
        if random.random() < 0.3:
            clicked = at + timedelta(seconds=random.randrange(5, 90))
            link = {**payload, "url": f"{SHOP_URL}/new"}
            yield mail_call(
                shop.ids.next("mailing_tool"),
                "Email Link Clicked",
                clicked,
                identity,
                link,
            )


def _product(product: Product) -> Json:
    return {
        "product_id": product.product_id,
        "name": product.name,
        "category": product.category,
        "price": euros(product.cents),
        "currency": "EUR",
    }


def hashed(email: str) -> str:
    """The address as a mailing tool passes it on."""
    return sha256(email.strip().lower().encode()).hexdigest()
