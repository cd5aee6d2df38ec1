"""From the cart to what becomes of the order: what the browser says, and what the servers book."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from simulator.calls import Call, server_call
from simulator.catalogue import Product
from simulator.orders import Order, Status, aftermath, euros, filled_cart
from simulator.people import Person
from simulator.visits import Shop, Visit, described, login

Json = dict[str, Any]

REFUNDS: dict[Status, str] = {
    "cancelled": "order_cancelled",
    "refunded": "order_refunded",
    "partly_refunded": "order_partially_refunded",
}


def shopping(here: Visit, viewed: list[Product], leave: bool = False) -> Iterator[Call]:
    shop, random = here.shop, here.random
    order = Order(
        shop.order_number(), here.person, filled_cart(random, viewed), here.at
    )
    for product, quantity in order.lines:
        here.step(5, 60)
        line = {**described(product), "quantity": quantity, "order_id": order.order_id}
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
        yield from login(here)
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
        "partly_refunded": order.total * first.cents * quantity // order.gross,
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
