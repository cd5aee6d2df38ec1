"""The other systems' exports: CRM, billing, catalogue and ad accounts, as files. Same world, same bytes."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from simulator.calls import iso
from simulator.catalogue import CAMPAIGNS, PRODUCTS, Campaign
from simulator.orders import Order
from simulator.people import Person
from simulator.visits import Shop

Json = dict[str, Any]

CUSTOMER_COLUMNS = (
    "customer_id", "shop_user_id", "email", "phone", "first_name", "last_name", "country",
    "city", "language", "loyalty_tier", "marketing_consent", "updated_at",
)  # fmt: skip
ORDER_COLUMNS = (
    "order_id", "customer", "email", "status", "currency", "gross", "discount", "revenue",
    "shipping", "tax", "total", "refunded", "ordered_at", "updated_at",
)  # fmt: skip
AD_COLUMNS = (
    "date", "account_id", "campaign_id", "campaign", "ad_group_id", "ad_group", "ad_id", "ad",
    "currency", "cost_micros", "impressions", "clicks", "conversions", "conversion_value",
)  # fmt: skip

TIERS = ("", "bronze", "silver", "gold")


def write_extracts(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def extracts(shop: Shop, people: list[Person], seed: int) -> dict[str, bytes]:
    """File name → bytes."""
    return {
        "crm/customers.csv": _customers(shop, people, seed),
        "billing/orders.csv": _orders(shop),
        "billing/payments.ndjson": _payments(shop),
        "billing/subscriptions.json": _subscriptions(shop, people),
        "catalogue/products.json": _products(shop),
        **_ad_spend(shop, seed),
    }


def _customers(shop: Shop, people: list[Person], seed: int) -> bytes:
    random = Random(f"{seed}/crm")
    rows = [_customer(shop, person, random) for person in people if person.crm_id]
    if (
        len(rows) > 20
    ):  # an export typed by people: a line cut short, a row without a key
        rows[7] = rows[7][:5]
        rows[13] = ["", *rows[13][1:]]
    return _csv(CUSTOMER_COLUMNS, rows)


def _customer(shop: Shop, person: Person, random: Random) -> list[str]:
    orders = sum(1 for order in shop.orders if order.person.number == person.number)
    consent = "yes" if person.newsletter else random.choice(("", "no"))
    return [
        person.crm_id,
        person.user_id,
        person.email.upper() if random.random() < 0.05 else person.email,
        f"0{person.phone[3:]}"
        if person.phone and random.random() < 0.5
        else person.phone,
        person.first_name,
        person.last_name,
        person.country,
        person.city,
        person.language,
        TIERS[min(orders, 3)],
        consent,
        iso(person.since.replace(microsecond=0)),
    ]


def _orders(shop: Shop) -> bytes:
    return _csv(ORDER_COLUMNS, (_order(order) for order in shop.orders))


def _order(order: Order) -> list[str]:
    person = order.person
    cents = (
        order.gross, order.discount, order.revenue, order.shipping, order.tax, order.total,
        order.refunded,
    )  # fmt: skip
    return [
        order.order_id,
        person.user_id,
        person.email,
        order.status,
        "EUR",
        *map(str, cents),
        iso(order.at),
        iso(order.changed_at or order.at),
    ]


def _payments(shop: Shop) -> bytes:
    lines = []
    for number, order in enumerate(shop.orders, start=1):
        payment = {
            "payment_id": f"pay-{shop.namespace}-{number:05d}",
            "order_id": order.order_id,
            "method": ("card", "paypal", "invoice")[number % 3],
            "amount": order.total,
            "currency": "EUR",
            "status": "settled",
            "paid_at": iso(order.at),
        }
        lines.append(json.dumps(payment))
    return "".join(f"{line}\n" for line in lines).encode()


def _subscriptions(shop: Shop, people: list[Person]) -> bytes:
    rows = [
        {
            "id": f"sub-{shop.namespace}-{person.number:04d}",
            "customer": {"id": person.user_id, "email": person.email},
            "plan": "coffee box, monthly",
            "price": 1990,
            "currency": "EUR",
            "status": "ended" if person.number % 5 == 0 else "active",
            "started_at": iso(person.since.replace(microsecond=0)),
            "ends_at": iso((person.since + timedelta(days=90)).replace(microsecond=0)),
        }
        for person in people
        if person.subscribes
    ]
    return json.dumps({"subscriptions": rows}, indent=1).encode()


def _products(shop: Shop) -> bytes:
    rows = [
        {
            "product_id": product.product_id,
            "name": product.name,
            "category": product.category,
            "price": f"{product.cents / 100:.2f}",
            "currency": "EUR",
            "updated_at": iso(shop.start),
        }
        for product in PRODUCTS[
            :-1
        ]  # the newest one is sold before it is in the catalogue
    ]
    return json.dumps(rows, indent=1).encode()


def _ad_spend(shop: Shop, seed: int) -> dict[str, bytes]:
    """A file a month and platform, in the platform's own shape; each claims more conversions than there were."""
    random = Random(f"{seed}/ads")
    months: dict[str, dict[str, list[AdDay]]] = {}
    day = shop.start
    while day < shop.until:
        for campaign in CAMPAIGNS:
            if campaign.campaign_id:
                visits = shop.arrivals.get(f"{campaign.name}/{day:%Y-%m-%d}", 0)
                rows = months.setdefault(f"{day:%Y-%m}", {})
                row = _ad_day(random, f"{day:%Y-%m-%d}", campaign, visits)
                rows.setdefault(campaign.source, []).append(row)
        day += timedelta(days=1)
    return {
        name.format(month): write(rows[source])
        for month, rows in months.items()
        for source, (name, write) in AD_REPORTS.items()
        if source in rows
    }


class AdDay(NamedTuple):
    """One day of one campaign's only ad."""

    day: str
    campaign: Campaign
    cents: int
    impressions: int
    clicks: int
    claimed: int  # conversions

    @property
    def revenue(self) -> str:
        return f"{self.claimed * 23.5:.2f}"


def _ad_day(random: Random, day: str, campaign: Campaign, visits: int) -> AdDay:
    spent = int(campaign.daily_cents * random.uniform(0.6, 1.0))
    clicks = visits + random.randrange(3)
    return AdDay(day, campaign, spent, clicks * 40 + 11, clicks, random.randrange(3))


def _google(days: list[AdDay]) -> bytes:
    return _csv(AD_COLUMNS, map(_google_row, days))


def _google_row(ad: AdDay) -> list[str]:
    campaign_id, name = ad.campaign.campaign_id, ad.campaign.name
    return [
        ad.day, "acc-1", campaign_id, name, f"{campaign_id}-g1", "all visitors",
        f"{campaign_id}-a1", f"{name} text ad", "EUR", str(ad.cents * 10_000),
        str(ad.impressions), str(ad.clicks), f"{ad.claimed}.0", ad.revenue,
    ]  # fmt: skip


def _meta(days: list[AdDay]) -> bytes:
    return json.dumps({"data": [_meta_row(ad) for ad in days]}, indent=1).encode()


def _meta_row(ad: AdDay) -> Json:
    campaign_id, name = ad.campaign.campaign_id, ad.campaign.name
    row: Json = {
        "account_id": "222",
        "account_currency": "EUR",
        "campaign_id": campaign_id,
        "campaign_name": name,
        "adset_id": f"{campaign_id}1",
        "adset_name": "lookalike",
        "ad_id": f"{campaign_id}2",
        "ad_name": f"{name} video",
        "impressions": str(ad.impressions),
        "clicks": str(ad.clicks),
        "spend": f"{ad.cents / 100:.2f}",
        "actions": [{"action_type": "link_click", "value": str(ad.clicks)}],
        "date_start": ad.day,
        "date_stop": ad.day,
    }
    if ad.claimed:
        claim = {"action_type": "purchase", "value": str(ad.claimed)}
        row["actions"].append(claim)
        row["action_values"] = [{**claim, "value": ad.revenue}]
    return row


def _tiktok(days: list[AdDay]) -> bytes:
    rows = [_tiktok_row(ad) for ad in days]
    page = {"total_number": len(rows), "page": 1, "page_size": 1000, "total_page": 1}
    answer = {"code": 0, "message": "OK", "data": {"page_info": page, "list": rows}}
    return json.dumps(answer, indent=1).encode()


def _tiktok_row(ad: AdDay) -> Json:
    campaign_id, name = ad.campaign.campaign_id, ad.campaign.name
    metrics = {
        "campaign_id": campaign_id,
        "campaign_name": name,
        "adgroup_id": f"{campaign_id}1",
        "adgroup_name": "18-24",
        "ad_name": f"{name} clip",
        "spend": f"{ad.cents / 100:.2f}",
        "impressions": str(ad.impressions),
        "clicks": str(ad.clicks),
        "conversion": str(ad.claimed),
        "currency": "EUR",
    }
    place = {"ad_id": f"{campaign_id}2", "stat_time_day": f"{ad.day} 00:00:00"}
    return {"dimensions": place, "metrics": metrics}


AD_REPORTS: dict[str, tuple[str, Callable[[list[AdDay]], bytes]]] = {
    "google": ("marketing/google_ads_{}.csv", _google),
    "facebook": ("marketing/meta_ads_{}.json", _meta),
    "tiktok": ("marketing/tiktok_ads_{}.json", _tiktok),
}
"""Where a campaign runs → its platform's file of a month, and the shape of it."""


def _csv(header: Sequence[str], rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
