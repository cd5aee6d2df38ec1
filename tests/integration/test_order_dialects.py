"""One purchase told in each dialect, with the field names of its vendor, becomes the order it is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.collector.limits import Limits
from ingestion.collector.webhooks import message_events
from ingestion.connectors import EventSource, load_source
from ingestion.contracts import Event
from ingestion.contracts.shapes import Origin
from tests.conftest import ROOT
from tests.integration.rendered import Room

# dialect: the events, as (name, properties), and what their order has to say
TOLD: dict[str, tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]] = {
    "ga4": (
        [
            (
                "purchase",
                {
                    "transaction_id": "ga4",
                    "value": 30.03,
                    "tax": 4.9,
                    "shipping": 5.99,
                    "currency": "USD",
                    "items": [
                        {
                            "item_id": "SKU_1",
                            "item_name": "Tee",
                            "item_category": "Apparel",
                            "price": 10.01,
                            "quantity": 3,
                        }
                    ],
                },
            ),
            ("refund", {"transaction_id": "ga4", "value": 10.01, "currency": "USD"}),
        ],
        {
            "state": "partially_refunded",
            "currency": "USD",
            "revenue": "30.03",
            "total": "40.92",
            "refunded": "10.01",
            "lines": "SKU_1 Tee Apparel 30.03",
        },
    ),
    "klaviyo": (
        [
            (
                "Placed Order",
                {
                    "OrderId": "klaviyo",
                    "value": 15,
                    "value_currency": "EUR",
                    "DiscountValue": 5,
                    "Items": [
                        {
                            "ProductID": "1111",
                            "ProductName": "Pooh",
                            "Quantity": 2,
                            "ItemPrice": 10,
                            "RowTotal": 20,
                        }
                    ],
                },
            ),
            ("Refunded Order", {"OrderId": "klaviyo", "value": 15}),
        ],
        {
            "state": "refunded",
            "currency": "EUR",
            "revenue": "15.00",
            "total": "15.00",
            "refunded": "15.00",
            "lines": "1111 Pooh None 20.00",
        },
    ),
    "server": (
        [
            (
                "purchase_completed",
                {"order_id": "server", "order_value": 149.99, "currency": "EUR"},
            )
        ],
        {
            "state": "completed",
            "currency": "EUR",
            "revenue": "149.99",
            "total": "149.99",
            "refunded": "0.00",
            "lines": "",
        },
    ),
    "flat": (
        [
            (
                "Added to Cart",
                {"order_id": "flat", "product_id": "P-1234", "price": 100.0},
            ),
            ("Order Placed", {"order_id": "flat", "value": 100.0, "currency": "eur"}),
        ],
        {
            "state": "completed",
            "currency": "EUR",
            "revenue": "100.00",
            "total": "100.00",
            "refunded": "0.00",
            "lines": "",
        },
    ),
    "shop webhook": (
        [
            (
                "orders/create",
                {
                    "order_id": "shop webhook",
                    "currency": "EUR",
                    "total": "22.00",
                    "tax": "0.00",
                    "discount": "3.00",
                    "shipping": "5.00",
                    "products": [
                        {"product_id": 7, "name": "Cup", "price": "20.00"},
                    ],
                },
            ),
            (
                "refunds/create",
                {"order_id": "shop webhook", "refund_id": 1, "amount": "2.00"},
            ),
            ("orders/cancelled", {"order_id": "shop webhook"}),
        ],
        {
            "state": "cancelled",
            "currency": "EUR",
            "revenue": "17.00",
            "total": "22.00",
            "refunded": "2.00",
            "lines": "7 Cup None 20.00",
        },
    ),
}


# shop: its messages, as (topic, body), and what their order has to say
SENT: dict[str, tuple[str, list[tuple[str, dict[str, Any]]], dict[str, Any]]] = {
    "stripe": (
        "pi_1",
        [
            (
                "checkout.session.completed",
                {
                    "id": "cs_1",
                    "payment_intent": "pi_1",
                    "amount_total": 5000,
                    "currency": "eur",
                },
            ),
            # 10.00 was given back, then 5.00 more; the first message came twice.
            *(
                (
                    "charge.refunded",
                    {
                        "id": "ch_1",
                        "payment_intent": "pi_1",
                        "amount_refunded": refunded,
                        "currency": "eur",
                    },
                )
                for refunded in (1000, 1500, 1000)
            ),
        ],
        {"state": "partially_refunded", "total": "50.00", "refunded": "15.00"},
    ),
    "shopify": (
        "8812",
        [
            ("orders/create", {"id": 8812, "total_price": "50.00", "currency": "EUR"}),
            # To a card and to a gift card, and later the rest.
            *(
                (
                    "refunds/create",
                    {
                        "id": refund,
                        "order_id": 8812,
                        "transactions": [
                            {
                                "kind": "refund",
                                "status": "success",
                                "amount": amount,
                                "currency": "EUR",
                            }
                            for amount in amounts
                        ],
                    },
                )
                for refund, amounts in ((1, ("10.00", "2.50")), (2, ("37.50",)))
            ),
        ],
        {"state": "refunded", "total": "50.00", "refunded": "50.00"},
    ),
    "woocommerce": (
        "727",
        [
            ("order.created", {"id": 727, "total": "50.00", "currency": "EUR"}),
            # Each update lists every refund so far.
            *(
                (
                    "order.updated",
                    {
                        "id": 727,
                        "currency": "EUR",
                        "date_modified_gmt": f"2026-01-0{len(totals)}T00:00:00",
                        "refunds": [
                            {"id": n, "total": t} for n, t in enumerate(totals)
                        ],
                    },
                )
                for totals in (["-10.00"], ["-10.00", "-2.00"])
            ),
        ],
        {"state": "partially_refunded", "total": "50.00", "refunded": "12.00"},
    ),
}


def events_of(name: str, topic: str, payload: dict[str, Any]) -> list[Event]:
    """What a message of a shop becomes by the example that people copy."""
    source = load_source(ROOT / "sources" / "examples" / f"{name}.yml")
    assert isinstance(source, EventSource)
    assert source.webhook
    place = source.webhook.places.topic or ""
    headers = {place.removeprefix("header:").lower(): topic}
    body = {"type": topic, "data": {"object": payload}} if name == "stripe" else payload
    origin = Origin(name, datetime.now(UTC), "webhook", "/", headers=headers)
    return message_events(body, source.webhook, origin, Limits(), None)


class Shop(Room):
    """The room with a source named shop, which speaks whatever it is given."""

    def __init__(self) -> None:
        super().__init__(
            *("fct_orders", "fct_order_lines"),
            supplied={
                "int_record_profiles": "record_id uuid, profile_id varchar",
                "int_profiles": "profile_id varchar, profile_kind varchar",
                "int_profile_touches": "profile_id varchar, _touch_id bigint",
                "fct_order_evidence": "order_id varchar, record_id uuid, "
                "source_id varchar, event_id varchar, profile_id varchar, "
                "profile_kind varchar",
            },
            as_of="2026-02-01T00:00:00",
        )
        self.connection.execute(
            "insert into raw.sources by name "
            "select 'shop' as source_id, true as is_server, 'EUR' as default_currency"
        )
        self.told = 0

    def tell(self, name: str, properties: dict[str, Any]) -> None:
        self.told += 1
        self.connection.execute(
            """
            insert into raw.events by name select
                ?::uuid as record_id, 'shop' as source_id, ? as event_id,
                'track' as type, ? as name, ?::json as properties,
                timestamp '2026-01-01' + to_minutes(?) as occurred_at,
                [] as identifiers, '{}' as context, 'server' as channel, 1 as _load_id
            """,
            [
                f"00000000-0000-0000-0000-{self.told:012d}",
                str(self.told),
                name,
                json.dumps(properties),
                self.told,
            ],
        )

    def bought(self, order_id: str) -> dict[str, Any]:
        [(state, currency, *amounts)] = self.ask(
            f"""
            select state, currency, revenue, total, refunded
            from orders.fct_orders where order_id = '{order_id}'
            """
        )
        lines = self.ask(
            f"""
            select product_id, name, category, amount
            from orders.fct_order_lines where order_id = '{order_id}' order by line_number
            """
        )
        revenue, total, refunded = map(str, amounts)
        return {
            "state": state,
            "currency": currency,
            "revenue": revenue,
            "total": total,
            "refunded": refunded,
            "lines": "; ".join(" ".join(map(str, line)) for line in lines),
        }


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    made = Shop()
    for events, _ in TOLD.values():
        for name, properties in events:
            made.tell(name, properties)
    for shop_name, (_, messages, _) in SENT.items():
        for topic, body in messages:
            for event in events_of(shop_name, topic, body):
                made.tell(event.name or "", event.properties or {})
    made.refresh()
    yield made
    made.connection.close()


@pytest.mark.parametrize("dialect", TOLD)
def test_a_purchase_told_in_any_dialect_is_the_order_it_is(
    shop: Shop, dialect: str
) -> None:
    assert shop.bought(dialect) == TOLD[dialect][1]


@pytest.mark.parametrize("shop_name", SENT)
def test_two_refunds_of_one_order_are_given_back_once_each(
    shop: Shop, shop_name: str
) -> None:
    order_id, _, expected = SENT[shop_name]
    assert shop.bought(order_id).items() >= expected.items()


@pytest.mark.acceptance
def test_the_order_of_segments_spec_adds_up(acceptance_dir: Path) -> None:
    truth = json.loads((acceptance_dir / "expected.json").read_text())["2-segment-spec"]
    path = acceptance_dir / "2-segment-spec/extracted_spec_calls.jsonl"
    calls = [json.loads(line)["payload"] for line in path.read_text().splitlines()]
    told = [
        call["properties"]
        for call in calls
        if call.get("event") == "Order Completed"
        and "products" in call.get("properties", {})
    ]
    assert told
    shop = Shop()
    for properties in told:
        shop.tell("Order Completed", properties)
    shop.refresh()
    names = ["gross", "discount", "revenue", "shipping", "tax", "total"]
    found = shop.ask(f"select {', '.join(names)} from orders.fct_orders")
    expected = truth["order_completed"]
    wanted = [expected["gross_items"], *(expected[name] for name in names[1:])]
    assert found == [tuple(Decimal(str(amount)) for amount in wanted)]
