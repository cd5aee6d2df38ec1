"""Orders in SQL against a fold in Python that reads one piece of evidence after the other, and against real orders.

Here the whole chain runs, from the landing zone through identity, in two refreshes; test_orders_in_cuts.py has the rest.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.contracts import Event, RecordRow
from tests.dbt import dbt
from tests.integration.order_oracle import (
    AMOUNTS,
    EFFECTS,
    PRIORITIES,
    RANKS,
    REFUNDS,
    SERVERS,
    Evidence,
    order_by_hand,
)
from tests.integration.rooms import AS_OF, build, declare, land_and_load, rows
from tests.landed import platform

SEED = 20260131
ORDERS = 1200
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


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
    books = jaffle(acceptance_dir / "4-orders-jaffle")
    for landed in (
        records[: len(records) // 2],
        [*records[len(records) // 2 :], *books],
    ):
        land_and_load(home, landed)
        build(home, *("fct_order_evidence", "fct_profile_revenue", "dim_identifiers"))
    return home.warehouse, records


def test_a_model_run_without_its_touched_keys_says_so_and_changes_nothing(shop) -> None:
    warehouse, _ = shop
    marks = (
        "from staging.incremental_marks where model_name = 'int_orders' order by all"
    )
    before = rows(warehouse, marks)
    with pytest.raises(AssertionError, match=r"--select \+int_orders"):
        dbt(warehouse, "run", "--quiet", "--select", "int_orders", as_of=AS_OF)
    assert rows(warehouse, marks) == before


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
