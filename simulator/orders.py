"""An order from the browser's cart to the server's books: amounts, lines, and what becomes of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

from simulator.catalogue import PRODUCTS, Product
from simulator.people import Person

Json = dict[str, Any]
Status = Literal["open", "paid", "shipped", "partly_refunded", "refunded", "cancelled"]


@dataclass
class Order:
    """Amounts in cents. gross - discount = revenue; revenue + shipping + tax = total."""

    order_id: str
    person: Person
    lines: list[tuple[Product, int]]
    at: datetime
    discount: int = 0
    shipping: int = 0
    status: Status = "open"
    refunded: int = 0
    changed_at: datetime | None = None
    events: list[Json] = field(default_factory=list)

    @property
    def gross(self) -> int:
        return sum(product.cents * quantity for product, quantity in self.lines)

    @property
    def revenue(self) -> int:
        return self.gross - self.discount

    @property
    def tax(self) -> int:
        return self.revenue * 7 // 100

    @property
    def total(self) -> int:
        return self.revenue + self.shipping + self.tax

    def amounts(self) -> Json:
        """In major units, under the names both the browser and the servers use."""
        return {
            "revenue": euros(self.revenue),
            "discount": euros(self.discount),
            "shipping": euros(self.shipping),
            "tax": euros(self.tax),
            "total": euros(self.total),
            "currency": "EUR",
        }

    def products(self) -> list[Json]:
        return [
            {
                "product_id": product.product_id,
                "name": product.name,
                "category": product.category,
                "price": euros(product.cents),
                "quantity": quantity,
            }
            for product, quantity in self.lines
        ]


def euros(cents: int) -> float:
    return cents / 100


def filled_cart(random: Random, viewed: list[Product]) -> list[tuple[Product, int]]:
    """One to three of the products just viewed, most of them once."""
    chosen = list(dict.fromkeys(random.choices(viewed, k=random.randint(1, 3))))
    return [(product, random.choices((1, 2, 3), (80, 15, 5))[0]) for product in chosen]


def viewed_products(random: Random) -> list[Product]:
    return random.sample(PRODUCTS, random.randint(1, 5))


def aftermath(
    random: Random, order: Order, until: datetime
) -> tuple[Status, datetime] | None:
    """What happens to a paid order later, if anything does before `until`."""
    fate = random.random()
    if fate < 0.04:
        status: Status = "cancelled"
        at = order.at + timedelta(hours=random.uniform(0.5, 20))
    elif fate < 0.11:
        status = "refunded"
        at = order.at + timedelta(days=random.uniform(2, 12))
    elif fate < 0.15 and len(order.lines) > 1:
        status = "partly_refunded"
        at = order.at + timedelta(days=random.uniform(2, 12))
    else:
        return None
    at = at.replace(microsecond=0)
    return (status, at) if at < until else None
