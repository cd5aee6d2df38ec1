"""Visits to a shop as events: random ones, awkward ones, the cases of tables, and the advertising that brought them.

What must become of them is said by the tests; nothing here knows the models.
"""

import csv
import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ingestion.contracts import Event, MarketingRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GAP = timedelta(minutes=30)
SILENCES = [
    timedelta(seconds=1),
    timedelta(minutes=5),
    GAP - timedelta(microseconds=1),
    GAP,
    GAP + timedelta(microseconds=1),
    timedelta(hours=3),
    timedelta(0),
]
# Source, medium and name as links carry them; nothing for a direct visit.
CAMPAIGNS = [
    None,
    None,
    None,
    ("google", "cpc", "Brand"),
    ("google", "cpc", "9002"),
    ("facebook", "paid_social", "clips"),
    ("newsletter", "email", "weekly"),
]
CURRENCIES = ["EUR", "EUR", "USD"]
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PEOPLE = 120


def visit(event_id: str, visitor: str, moment: datetime, **fields: object) -> Event:
    values: dict[str, object] = {
        "source_id": "web",
        "type": "page",
        "identifiers": [
            {"type": "anonymous_id", "value": visitor},
            {"type": "user_id", "value": f"user-of-{visitor}"},
        ],
        "channel": "client",
        "shape": "segment",
        **fields,
    }
    return Event.model_validate({**values, "event_id": event_id, "occurred_at": moment})


def calls(pick: random.Random, key: int) -> Iterator[Event]:
    """A telephone line that several people use, one after the other; some never say who they are."""
    moment = NOON
    for number in range(pick.randint(1, 12)):
        moment += pick.choice(SILENCES)
        caller = pick.choice([1, 2, None])
        yield Event(
            source_id="call_centre",
            event_id=f"call-{key}-{number}",
            type="track",
            name="Said something",
            occurred_at=moment,
            identifiers=[{"type": "user_id", "value": f"caller-{caller}"}]
            if caller
            else [],
            properties={"line": f"line-{key}"},
            channel="server",
            shape="server",
        )


def visits(pick: random.Random, key: int) -> Iterator[Event]:
    """One visitor's days: pages, campaigns, orders. Some say who they are late, some never, some share a device."""
    moment = NOON + timedelta(days=key % 40)
    visitor = f"visitor-{key}"
    known_from = pick.choice([0, 0, 5, 99])
    for number in range(pick.randint(1, 30)):
        moment += pick.choice(SILENCES)
        person = pick.choice([key, key, key + 1]) if key % 7 == 0 else key
        identifiers = [{"type": "anonymous_id", "value": visitor}]
        if number >= known_from:
            identifiers.append({"type": "user_id", "value": f"user-{person}"})
        yield visit(
            f"visit-{key}-{number}",
            visitor,
            moment,
            identifiers=identifiers,
            **_page(pick, key, number),
        )


def _page(pick: random.Random, key: int, number: int) -> dict[str, object]:
    context: dict[str, object] = {"page": {"url": f"https://shop.example/p/{number}"}}
    if (campaign := pick.choice(CAMPAIGNS)) and pick.random() < 0.3:
        source, medium, name = campaign
        context["campaign"] = {"source": source, "medium": medium, "name": name}
    if pick.random() < 0.15:
        ordered = _order(f"{key}-{number}")
        return {
            "type": "track",
            "name": "Order Completed",
            "properties": ordered,
            "context": context,
        }
    return {"context": context}


def _order(number: str) -> dict[str, object]:
    """The same order from whoever tells of it."""
    pick = random.Random(number)
    return {
        "order_id": f"o-{number}",
        "revenue": f"{pick.randint(1, 20000) / 100:.2f}",
        "currency": pick.choice(CURRENCIES),
    }


def told_by_servers(pick: random.Random, key: int) -> Iterator[Event]:
    """What a server says of one person, now of an order that the browser told of, now of one that it did not."""
    for number in range(3):
        moment = NOON + timedelta(days=key % 40) + timedelta(hours=pick.randint(-2, 60))
        order = f"{key}-{pick.randint(0, 40)}"
        yield visit(
            f"server-{key}-{number}",
            "nobody",
            moment + timedelta(minutes=number),
            source_id="shop_backend",
            type="track",
            name="Order Completed",
            properties=_order(order),
            identifiers=[{"type": "user_id", "value": f"user-{key}"}],
            channel="server",
        )


def never_silent() -> Iterator[Event]:
    """A tab that reloads every 29 minutes for three days."""
    for number in range(150):
        yield visit(f"tab-{number}", "open-tab", NOON + number * timedelta(minutes=29))


def without_key() -> Iterator[Event]:
    for number, blank in enumerate(["", "null", "00000000-0000"]):
        identifiers = [{"type": "anonymous_id", "value": blank}] if blank else []
        yield visit(f"blank-{number}", "blank", NOON, identifiers=identifiers)


def robots() -> Iterator[Event]:
    agents = {
        "googlebot": ROBOT,
        "headless": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/142.0.0.0 Safari/537.36",
        "unheard-of": "BeanScanBot/0.1",
        "cubot": "Mozilla/5.0 (Linux; Android 14; CUBOT X90) Chrome/142.0 Mobile Safari/537.36",
        "person": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) Safari/604.1",
    }
    for name, agent in agents.items():
        yield visit(f"agent-{name}", name, NOON, context={"userAgent": agent})


def tagged(cases: Path) -> Iterator[Event]:
    """A visit for each row of the table of channels."""
    with cases.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            campaign = {
                "source": row["source"],
                "medium": row["medium"],
                "name": row["campaign"],
            }
            yield visit(
                f"tagged-{number}",
                f"tagged-{number}",
                NOON,
                context={"campaign": {k: v for k, v in campaign.items() if v}},
            )


def originating(cases: Path) -> Iterator[Event]:
    """A visit for each row of the table of origins."""
    with cases.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            context: dict[str, object] = {
                "page": {"url": row["url"], "referrer": row["referrer"]}
            }
            if row["campaign"]:
                context["campaign"] = json.loads(row["campaign"])
            name = f"origin-{number}"
            yield visit(name, name, NOON, context=context)


def real_visits(path: Path) -> Iterator[Event]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=1):
            moment = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            yield visit(
                f"{row['session_id']}/{number}",
                row["user_id"],
                moment,
                source_id="ecom_web",
                type="track",
                name=row["event"],
                identifiers=[{"type": "anonymous_id", "value": row["user_id"]}],
            )


def advertising(pick: random.Random) -> Iterator[MarketingRow]:
    """Thirty days of three campaigns in two currencies, each day corrected now and then, some taken back."""
    ads = [
        ("google_ads", "9001", "Brand", "EUR"),
        ("google_ads", "9002", "Winter Beans", "EUR"),
        ("meta", "7001", "clips", "USD"),
        ("blimp", "1", "Skies", "EUR"),
    ]
    for day in range(30):
        for platform, campaign_id, name, currency in ads:
            for version in range(pick.choice([1, 1, 2])):
                yield MarketingRow(
                    source_id="ads",
                    row_key=f"{day}/{campaign_id}",
                    row_hash=f"{day}/{campaign_id}/{version}",
                    op="delete" if version and pick.random() < 0.2 else "upsert",
                    metric_date=date(2026, 1, 1) + timedelta(days=day),
                    platform=platform,
                    campaign_id=campaign_id,
                    campaign_name=name,
                    currency=currency,
                    spend=Decimal(pick.randint(0, 99999)) / 100,
                    impressions=pick.randint(0, 9999),
                    clicks=pick.randint(0, 99),
                )
