"""Orders in SQL against a fold in Python that reads one piece of evidence after the other, and against real orders.

The oracle knows the rules of orders as sentences: states only rise, a refund waits for its purchase, servers are
believed field by field, amounts of two currencies never meet.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ingestion.contracts import Event, RecordRow
from tests.integration.rooms import build, declare, land_and_load, rows
from tests.landed import platform

SEED = 20260131
ORDERS = 1200
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRIORITIES = {"web": 30, "shop": 10, "till": 20, "billing": 15, "bank": 15}
SERVERS = {"shop", "till", "billing"}
EFFECTS = {
    "Product Added": "incomplete",
    "Checkout Started": "checkout",
    "Order Completed": "completed",
    "Order Partially Refunded": "partially_refunded",
    "Order Refunded": "refunded",
    "Order Cancelled": "cancelled",
    "Order Looked At": "unknown",
}
RANKS = {
    "unknown": 0,
    "incomplete": 1,
    "checkout": 2,
    "completed": 3,
    "partially_refunded": 4,
    "pending_refund": 4,
    "refunded": 5,
    "cancelled": 6,
}
REFUNDS = ("partially_refunded", "refunded")
STAGES = ["completed", "checkout", "incomplete", "unknown", "cancelled"]
AMOUNTS = ["gross", "discount", "revenue", "shipping", "tax", "total"]
Money = Decimal | None


class Evidence(NamedTuple):
    order_id: str
    record: Event | RecordRow
    number: int
    effect: str
    is_row: bool

    @property
    def properties(self) -> dict[str, Any]:
        return self.record.properties or {}

    @property
    def at(self) -> datetime:
        return self.record.occurred_at

    @property
    def is_server(self) -> bool:
        return self.record.source_id in SERVERS

    @property
    def priority(self) -> int:
        return PRIORITIES[self.record.source_id]

    @property
    def currency(self) -> str:
        return str(self.properties.get("currency", "EUR"))

    def money(self, *names: str) -> Money:
        given = (self.properties[name] for name in names if name in self.properties)
        return next((Decimal(str(value)) for value in given), None)


def state_by_hand(evidence: Iterable[Evidence]) -> tuple[str, int]:
    """The state and the number of the evidence that made it."""
    state, made_by, purchased, waiting = "", -1, False, ""
    for piece in sorted(evidence, key=lambda e: (e.at, RANKS[e.effect], e.number)):
        reached = piece.effect
        purchased |= reached == "completed" or (piece.is_row and reached in REFUNDS)
        if reached in REFUNDS:
            waiting = max(reached, waiting, key=lambda r: RANKS.get(r, -1))
        if reached in REFUNDS and not purchased:
            reached = "pending_refund"
        elif purchased and waiting and RANKS[reached] < RANKS["cancelled"]:
            reached = waiting
        freed = state == "pending_refund" and purchased
        if not state or RANKS[reached] > RANKS[state] or freed:
            state, made_by = reached, piece.number
    return state, made_by


def stated(piece: Evidence) -> dict[str, Money]:
    """The amounts that one piece of evidence states, revenue worked out from its parts if it has them."""
    lines = piece.properties.get("products") or []
    listed = sum(Decimal(str(p["price"])) * p.get("quantity", 1) for p in lines)
    gross = piece.money("gross")
    gross = listed if gross is None and lines else gross
    amounts: dict[str, Money] = {name: piece.money(name) for name in AMOUNTS}
    amounts["gross"] = gross
    revenue = piece.money("subtotal")
    if revenue is None and gross is not None and amounts["discount"] is not None:
        revenue = gross - amounts["discount"]
    if revenue is None:
        revenue = amounts["revenue"] if amounts["revenue"] is not None else gross
    if revenue is None and amounts["total"] is not None:
        revenue = amounts["total"] - (amounts["shipping"] or 0) - (amounts["tax"] or 0)
    if revenue is None:
        revenue = piece.money("order_value")
    return {**amounts, "revenue": revenue}


def belief(piece: Evidence) -> tuple[Any, ...]:
    stage = 0 if piece.is_row else STAGES.index(piece.effect)
    latest = (-piece.at.timestamp(), -piece.number)
    return stage, not piece.is_server, piece.priority, *latest


def order_by_hand(evidence: list[Evidence], paid: Money) -> dict[str, Any]:
    state, made_by = state_by_hand(evidence)
    stating = sorted(
        (piece for piece in evidence if piece.is_row or piece.effect in STAGES),
        key=belief,
    )
    with_money = [p.currency for p in stating if stated(p)["revenue"] is not None]
    mentioned = [piece.currency for piece in stating]
    fallback = ["EUR"] if paid is not None else mentioned
    currency = next(iter([*with_money, *fallback]), None)
    chosen: dict[str, Money] = {}
    for piece in stating:
        if piece.currency == currency:
            for name, amount in stated(piece).items():
                if chosen.get(name) is None:
                    chosen[name] = amount
    if chosen.get("revenue") is None and currency == "EUR":
        chosen["revenue"] = paid
    return {
        "state": state,
        "made_by": made_by,
        "currency": currency,
        **with_the_rest(chosen),
        "refunded": refunded_by_hand(evidence, state, currency, with_the_rest(chosen)),
    }


def with_the_rest(chosen: dict[str, Money]) -> dict[str, Money]:
    """What follows from the amounts that are known."""
    revenue = chosen.get("revenue")
    parts = {name: chosen.get(name) or Decimal(0) for name in AMOUNTS[1:]}
    gross, total = chosen.get("gross"), chosen.get("total")
    if revenue is not None:
        gross = revenue + parts["discount"] if gross is None else gross
        owed = revenue + parts["shipping"] + parts["tax"]
        total = owed if total is None else total
    return {**parts, "revenue": revenue, "gross": gross, "total": total}


def refunded_by_hand(
    evidence: list[Evidence], state: str, currency: str | None, order: dict[str, Money]
) -> Decimal:
    told: dict[tuple[bool, int, str], dict[str, Decimal]] = defaultdict(dict)
    for piece in evidence:
        if piece.is_row:
            amount = piece.money("refunded")
        elif piece.effect in REFUNDS:
            amount = piece.money(
                "amount", "refunded", "total", "order_value", "revenue"
            )
        else:
            continue
        if amount is not None and piece.currency == currency:
            key = str(piece.properties.get("refund_id", piece.number))
            source = (not piece.is_server, piece.priority, piece.record.source_id)
            told[source][key] = max(abs(amount), told[source].get(key, Decimal(0)))
    total = order["total"]
    if not told:
        return (total or Decimal(0)) if state == "refunded" else Decimal(0)
    amount = sum(told[min(told)].values(), Decimal(0))
    return amount if total is None else min(amount, total)


def random_properties(pick: random.Random) -> dict[str, Any]:
    names = pick.sample([*AMOUNTS, "subtotal", "order_value"], pick.randint(0, 4))
    properties: dict[str, Any] = {name: pick.choice([5, 9.5, 20]) for name in names}
    if pick.random() < 0.15:
        properties["currency"] = pick.choice(["EUR", "USD"])
    if pick.random() < 0.3:
        properties["products"] = [
            {"product_id": f"p{n}", "price": pick.choice([1, 2.5]), "quantity": n}
            for n in range(1, pick.randint(1, 3) + 1)
        ]
    return properties


def random_event(pick: random.Random, order: int, number: int) -> Event:
    properties = random_properties(pick) | {"order_id": f"o{order}"}
    name = pick.choice([*EFFECTS, "Order Completed", "Product Added"])
    if EFFECTS[name] in REFUNDS:
        properties |= pick.choice([{"amount": -3}, {}, {"refund_id": "r1"}])
    source_id = pick.choice(["web", "shop", "till"])
    return Event(
        source_id=source_id,
        event_id=f"o{order}-{number}",
        type="track",
        name=name,
        occurred_at=NOON + timedelta(minutes=pick.randint(0, 4)),
        identifiers=[{"type": "user_id", "value": f"u{pick.randint(1, 3)}-{order}"}],
        properties=properties,
        channel="client" if source_id == "web" else "server",
        shape="segment",
    )


def random_row(pick: random.Random, order: int, version: int) -> RecordRow:
    properties = {k: v for k, v in random_properties(pick).items() if k != "products"}
    if pick.random() < 0.3:
        properties["refunded"] = 4
    effect = pick.choice(list(RANKS.keys() - {"unknown", "pending_refund"}))
    return RecordRow(
        source_id="billing",
        row_key=f"o{order}",
        row_hash=f"{order}-{version}",
        record_type="order",
        order_id=f"o{order}",
        occurred_at=NOON + timedelta(minutes=pick.randint(0, 4)),
        source_status=f"status-{version}",
        effect=effect,
        identifiers=[],
        properties=properties,
        op="delete" if pick.random() < 0.1 else "upsert",
    )


def random_payment(pick: random.Random, order: int, number: int) -> RecordRow:
    return RecordRow(
        source_id="bank",
        row_key=f"o{order}-{number}",
        row_hash="1",
        record_type="payment",
        order_id=f"o{order}",
        occurred_at=NOON,
        source_status=pick.choice([None, "paid", "failed"]),
        identifiers=[],
        properties={"amount": 7},
    )


def random_shop(pick: random.Random) -> list[Event | RecordRow]:
    records: list[Event | RecordRow] = []
    for order in range(ORDERS):
        records += [random_event(pick, order, n) for n in range(pick.randint(1, 6))]
        if pick.random() < 0.4:
            records += [random_row(pick, order, n) for n in range(pick.randint(1, 3))]
        if pick.random() < 0.3:
            records += [
                random_payment(pick, order, n) for n in range(pick.randint(1, 2))
            ]
    pick.shuffle(records)
    return records


def jaffle(folder: Path) -> Iterator[RecordRow]:
    effects = {"returned": "refunded"}
    for row in read(folder / "raw_orders.csv"):
        yield RecordRow(
            source_id="jaffle_orders",
            row_key=row["id"],
            row_hash="1",
            record_type="order",
            order_id=f"jaffle-{row['id']}",
            occurred_at=datetime.fromisoformat(row["order_date"]).replace(tzinfo=UTC),
            source_status=row["status"],
            effect=effects.get(row["status"], "completed"),
            identifiers=[{"type": "user_id", "value": f"jaffle-{row['user_id']}"}],
        )
    for row in read(folder / "raw_payments.csv"):
        yield RecordRow(
            source_id="jaffle_payments",
            row_key=row["id"],
            row_hash="1",
            record_type="payment",
            order_id=f"jaffle-{row['order_id']}",
            occurred_at=NOON,
            identifiers=[],
            properties={"amount": f"{int(row['amount']) / 100:.2f}"},
        )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, acceptance_dir: Path
) -> tuple[Path, list[Event | RecordRow]]:
    home = platform(tmp_path_factory.mktemp("orders"))
    for source_id, priority in PRIORITIES.items():
        is_server = source_id in SERVERS
        currency = {"priority": priority, "default_currency": "EUR"}
        declare(home, source_id, is_server=is_server, **currency)
    declare(home, "jaffle_payments", default_currency="USD")
    records = random_shop(random.Random(SEED))
    land_and_load(home, [*records, *jaffle(acceptance_dir / "4-orders-jaffle")])
    build(
        home,
        *("fct_orders", "fct_order_lines", "fct_profile_revenue", "dim_identifiers"),
    )
    return home.warehouse, records


def evidence_of(records: list[Event | RecordRow]) -> dict[str, list[Evidence]]:
    """The latest version of each row that still stands, and every event."""
    orders: dict[str, list[Evidence]] = defaultdict(list)
    latest: dict[str, int] = {}
    for number, record in enumerate(records):
        if isinstance(record, RecordRow) and record.record_type == "order":
            latest[record.row_key] = number
        elif isinstance(record, Event):
            order_id = (record.properties or {})["order_id"]
            effect = EFFECTS[str(record.name)]
            orders[order_id].append(Evidence(order_id, record, number, effect, False))
    for order_id, number in latest.items():
        row = records[number]
        assert isinstance(row, RecordRow)
        if row.op == "upsert":
            piece = Evidence(order_id, row, number, str(row.effect), True)
            orders[order_id].append(piece)
    return orders


def paid_for(records: list[Event | RecordRow]) -> dict[str, Decimal]:
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for record in records:
        if isinstance(record, Event) or record.record_type != "payment":
            continue
        if record.source_status != "failed":
            paid[str(record.order_id)] += Decimal(7)
    return paid


def test_every_order_is_what_reading_its_evidence_piece_by_piece_makes_of_it(
    shop: tuple[Path, list[Event | RecordRow]],
) -> None:
    warehouse, records = shop
    found = {
        order_id: (state, str(record_id), currency, amounts)
        for order_id, state, record_id, currency, *amounts in rows(
            warehouse,
            """
            select
                order_id, state, state_record_id, currency,
                gross, discount, revenue, shipping, tax, total, refunded
            from orders.fct_orders where order_id like 'o%'
            """,
        )
    }
    landed = dict(
        rows(
            warehouse,
            """
            select record_id::varchar, event_id from raw.events
            union all select record_id::varchar, row_key || '/' || row_hash from raw.records
            """,
        )
    )
    paid = paid_for(records)
    orders = evidence_of(records)
    assert len(orders) == len(found) == ORDERS
    for order_id, evidence in orders.items():
        expected = order_by_hand(evidence, paid.get(order_id))
        state, record_id, currency, amounts = found[order_id]
        maker = records[expected["made_by"]]
        name = (
            maker.event_id
            if isinstance(maker, Event)
            else f"{order_id}/{getattr(maker, 'row_hash', '')}"
        )
        assert (state, landed[record_id], currency) == (
            expected["state"],
            name,
            expected["currency"],
        ), order_id
        names = [*AMOUNTS, "refunded"]
        assert dict(zip(names, amounts, strict=True)) == {
            name: expected[name] for name in names
        }, order_id


def test_the_random_shop_reached_every_state(
    shop: tuple[Path, list[Event | RecordRow]],
) -> None:
    warehouse, _ = shop
    counted = rows(
        warehouse, "select state, count(*) from orders.fct_orders group by all"
    )
    assert {state for state, count in counted if count > 10} == set(RANKS)


@pytest.mark.acceptance
def test_real_orders_add_up_to_what_their_own_books_say(
    shop: tuple[Path, list[Event | RecordRow]], acceptance_dir: Path
) -> None:
    warehouse, _ = shop
    truth = json.loads((acceptance_dir / "expected.json").read_text())[
        "4-orders-jaffle"
    ]
    [(orders, revenue, buyers, currencies, first, last)] = rows(
        warehouse,
        """
        select count(*), sum(revenue), count(distinct profile_id), list(distinct currency),
            min(ordered_at)::date::varchar, max(ordered_at)::date::varchar
        from orders.fct_orders where order_id like 'jaffle-%' and is_purchase
        """,
    )
    assert (orders, revenue) == (truth["orders"], Decimal(str(truth["revenue"])))
    assert (buyers, currencies) == (truth["buyers"], ["USD"])
    assert [first, last] == [truth["first_order"], truth["last_order"]]
    by_status = rows(
        warehouse,
        """
        select source_status, count(*), sum(revenue)
        from orders.fct_orders where order_id like 'jaffle-%' group by all
        """,
    )
    assert {status: [n, float(r)] for status, n, r in by_status} == truth[
        "revenue_by_status"
    ]
    bought = rows(
        warehouse,
        """
        select r.order_count, r.revenue, i.identifier_value
        from profiles.fct_profile_revenue as r
        inner join identity.dim_identifiers as i on r.profile_id = i.profile_id
        where i.identifier_type = 'user_id' and i.identifier_value like 'jaffle-%'
        """,
    )
    assert sum(count >= 2 for count, _, _ in bought) == truth["repeat_buyers"]
    assert max(count for count, _, _ in bought) == truth["max_orders_per_customer"]
    top = truth["top_customer"]
    [_, ltv, customer] = max(bought, key=lambda row: row[1])
    assert (float(ltv), customer) == (top["ltv"], f"jaffle-{top['id']}")
