"""Orders, products and subscriptions made up at random, refreshed in cuts that follow no order.

Between the refreshes records change hands, events arrive again under a smaller record id, rows are withdrawn or come
to speak of another order, a rule is edited, and a refresh is killed. What stands in the end is what one full refresh
says, and what the oracle says. The room's SQL runs on a bare connection; identity is played by the test.
"""

import json
import random
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.warehouse.schema import raw_tables
from tests.integration.rendered import Room
from tests.integration.subscription_oracle import Said, Subscription, told

NOON = datetime(2026, 1, 1, 12)
REFRESHES = 6
ORDERS = 60
TABLES = {
    "orders.int_orders": "*",
    "orders.fct_orders": "*",
    "orders.fct_order_lines": "*",
    "orders.fct_order_evidence": "*",
    "orders.fct_subscription_evidence": "*",
    "orders.fct_subscriptions": "*",
    "orders.dim_products": "*",
}
SOURCES = [
    {"source_id": "web", "priority": 30, "default_currency": "EUR", "is_server": False},
    {"source_id": "shop", "priority": 10, "default_currency": "EUR", "is_server": True},
    {"source_id": "erp", "priority": 15, "default_currency": "EUR", "is_server": True},
]
ORDER_EVENTS = [
    *("Product Added", "Checkout Started", "Order Completed", "Order Completed"),
    *("Order Refunded", "Order Partially Refunded", "Order Cancelled", "Thought"),
]
SUBSCRIPTION_EVENTS = {
    "Subscription Started": "started",
    "Subscription Renewed": "renewed",
    "Subscription Paused": "paused",
    "Subscription Reactivated": "reactivated",
    "Subscription Canceled": "cancelled",
    "Contract End Updated": "updated",
    "Contract Ended": "ended",
}
ROW_STATUSES = {
    "active": "started",
    "paused": "paused",
    "canceled": "cancelled",
    "ended": "ended",
    "odd": "unknown",
}
Row = dict[str, Any]


class World:
    """Landed records in the order of their record ids, the load each came with, and whose each is."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.events = [self._event(n) for n in range(ORDERS * 5)]
        self.events += [self._again(self.pick.choice(self.events)) for _ in range(40)]
        self.rows = [
            row for n in range(ORDERS) for row in self._versions(n) if row is not None
        ]
        records = [*self.events, *self.rows]
        numbers = self.pick.sample(range(len(records) * 3), len(records))
        for record, number in zip(records, numbers, strict=True):
            record["record_id"] = f"00000000-0000-0000-0000-{number:012d}"
            record["received_at"] = NOON + timedelta(seconds=number)
            record["_load_id"] = self.pick.randint(1, REFRESHES)
        self.owner: dict[str, str | None] = {
            r["record_id"]: self.pick.choice([None, *"abcdef"]) for r in records
        }
        self.profiles = {key: (f"p_{key}", "shadow") for key in "abcdef"}
        self.nobody = "a"

    def change_hands(self) -> None:
        """People merge, are parted, gain a name; one of the keys names nobody for now."""
        for key in self.pick.sample("abcdef", 2):
            self.profiles[key] = (
                f"p_{self.pick.choice('abcdef')}",
                self.pick.choice(["shadow", "anchor"]),
            )
        kinds = dict(self.profiles.values())
        self.profiles = {k: (p, kinds[p]) for k, (p, _) in self.profiles.items()}
        self.nobody = self.pick.choice("abcdef")

    def _event(self, number: int) -> Row:
        is_order = self.pick.random() < 0.7
        name = self.pick.choice(ORDER_EVENTS if is_order else list(SUBSCRIPTION_EVENTS))
        properties = self._money() if is_order else self._contract()
        which = self.pick.randrange(ORDERS)
        properties["order_id" if is_order else "subscription_id"] = f"n{which}"
        source_id = self.pick.choice(["web", "shop"])
        return {
            "source_id": source_id,
            "event_id": f"e{number}",
            "type": "track",
            "name": name,
            "occurred_at": NOON + timedelta(minutes=self.pick.randint(0, 5)),
            "identifiers": [],
            "properties": properties,
            "traits": {},
            "context": {},
            "channel": "client" if source_id == "web" else "server",
        }

    def _again(self, event: Row) -> Row:
        """The same event once more, with another body: only the smaller record id is it."""
        other = self._event(0)
        return {**other, **{key: event[key] for key in ("source_id", "event_id")}}

    def _versions(self, number: int) -> list[Row | None]:
        kind = self.pick.choice(["order", "payment", "subscription"])
        return [
            self._version(kind, number, version)
            for version in range(self.pick.randint(0, 3))
        ]

    def _version(self, kind: str, number: int, version: int) -> Row:
        is_subscription = kind == "subscription"
        op = "delete" if self.pick.random() < 0.15 else "upsert"
        order_id = f"n{number if self.pick.random() < 0.8 else number // 2}"
        return {
            "source_id": "erp",
            "row_key": f"n{number}" if is_subscription else f"{kind}-{number}",
            "op": op,
            "row_hash": f"{number}-{version}",
            "record_type": kind,
            "order_id": None if is_subscription or op == "delete" else order_id,
            "occurred_at": NOON + timedelta(minutes=version),
            "source_status": self.pick.choice(list(ROW_STATUSES)),
            "effect": self.pick.choice(["completed", "refunded", "cancelled"])
            if kind == "order"
            else None,
            "identifiers": [],
            "properties": self._contract() if is_subscription else self._money(),
        }

    def _money(self) -> Row:
        names = ["gross", "discount", "revenue", "total", "amount", "shipping"]
        money: Row = {
            n: self.pick.choice([5, 9.5, 20])
            for n in self.pick.sample(names, self.pick.randint(0, 3))
        }
        if self.pick.random() < 0.2:
            money["currency"] = self.pick.choice(["USD", "EUR"])
        if self.pick.random() < 0.3:
            item = {"product_id": f"p{self.pick.randint(1, 9)}", "price": 2.5}
            money["products"] = [item, {**item, "name": self.pick.choice("xyz")}]
        return money

    def _contract(self) -> Row:
        words: Row = {}
        if self.pick.random() < 0.4:
            words["contract_end"] = f"2026-0{self.pick.randint(2, 5)}-01"
        if self.pick.random() < 0.3:
            words |= {"plan": self.pick.choice("sml"), "price": 9.5}
        if self.pick.random() < 0.2:
            words["currency"] = "USD"
        if self.pick.random() < 0.1:
            words["renewal_confirmed"] = self.pick.choice([True, False])
        return words


class Warehouse(Room):
    """The room, with landed records and an identity that the test plays."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(
            *(name.partition(".")[2] for name in TABLES),
            supplied={
                "int_record_profiles": "record_id uuid, profile_id varchar",
                "int_profiles": "profile_id varchar, profile_kind varchar",
                "int_profile_touches": "profile_id varchar, _touch_id bigint",
            },
            as_of="2026-02-15T00:00:00",
        )
        self.world, self.folder = world, folder
        self.insert("raw.sources", SOURCES)

    def insert(self, table: str, values: list[Row]) -> None:
        path = self.folder / "rows.ndjson"
        path.write_text("".join(json.dumps(v, default=str) + "\n" for v in values))
        kinds = raw_tables()[table.partition(".")[2]]
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in kinds.items())
        self.connection.execute(
            f"insert into {table} by name select * from read_json('{path}', "
            f"format = 'newline_delimited', columns = {{{columns}}})"
        )

    def land(self, load: int) -> None:
        for table in ("events", "rows"):
            of_load = [r for r in getattr(self.world, table) if r["_load_id"] == load]
            name = "raw.events" if table == "events" else "raw.records"
            self.insert(name, of_load)

    def identify(self, touch: int, load: int) -> None:
        """Attribute what has landed, and log both sides of every change, as identity does."""
        now = {
            r["record_id"]: self.world.profiles[key]
            for r in (*self.world.events, *self.world.rows)
            if r["_load_id"] <= load
            and r.get("op") != "delete"
            and (key := self.world.owner[r["record_id"]])
            not in (None, self.world.nobody)
        }
        kinds = dict(self.ask("select * from identity.int_profiles"))
        held = {
            str(record_id): (profile, kinds[profile])
            for record_id, profile in self.ask(
                "select * from identity.int_record_profiles"
            )
        }
        changed = [r for r in {*now, *held} if now.get(r) != held.get(r)]
        touched = {side[r][0] for r in changed for side in (now, held) if r in side}
        run = self.connection.executemany
        self.connection.execute("delete from identity.int_record_profiles")
        self.connection.execute("delete from identity.int_profiles")
        run(
            "insert into identity.int_record_profiles values (?, ?)",
            [(record_id, profile) for record_id, (profile, _) in now.items()],
        )
        run(
            "insert into identity.int_profiles values (?, ?)",
            sorted({*self.world.profiles.values()}),
        )
        if touched:
            run(
                "insert into identity.int_profile_touches values (?, ?)",
                [(profile, touch) for profile in sorted(touched)],
            )

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            name: self.ask(f"select {columns} from {name} order by all")
            for name, columns in TABLES.items()
        }


def refreshed(world: World, folder: Path) -> Warehouse:
    """A warehouse that saw the world in cuts."""
    warehouse = Warehouse(world, folder)
    killed = world.pick.randint(2, REFRESHES)
    edited = world.pick.randint(2, REFRESHES)
    for load in range(1, REFRESHES + 1):
        warehouse.land(load)
        world.change_hands()
        warehouse.identify(touch=2 * load, load=load)
        if load == edited:
            warehouse.edit_rules(
                "update raw.sources set priority = 5 where source_id = 'web'"
            )
        if load == killed:
            warehouse.refresh(stop_after=world.pick.randrange(len(warehouse.order)))
            world.change_hands()
            warehouse.identify(touch=2 * load + 1, load=load)
        warehouse.refresh()
    return warehouse


def said(world: World) -> dict[str, list[Said]]:
    """Everything that counts about each subscription: events under their smallest record id, latest rows."""
    first: dict[tuple[str, str], Row] = {}
    latest: dict[str, Row] = {}
    for event in world.events:
        key = event["source_id"], event["event_id"]
        first[key] = min(event, first.get(key, event), key=lambda e: e["record_id"])
    for row in world.rows:
        if row["record_type"] == "subscription":
            held = latest.get(row["row_key"], row)
            latest[row["row_key"]] = max(row, held, key=lambda r: r["record_id"])
    pieces: dict[str, list[Said]] = defaultdict(list)
    for event in first.values():
        if number := event["properties"].get("subscription_id"):
            effect = SUBSCRIPTION_EVENTS[event["name"]]
            pieces[number].append(_piece(event, event["occurred_at"], effect))
    for number, row in latest.items():
        if row["op"] == "upsert":
            effect = ROW_STATUSES[row["source_status"]]
            pieces[number].append(_piece(row, row["received_at"], effect))
    return pieces


def _piece(record: Row, at: datetime, effect: str) -> Said:
    is_row = "row_key" in record
    is_server = is_row or record["source_id"] == "shop"
    words = record["properties"]
    return Said(at, effect, is_server, record["record_id"], is_row, words)


def check(seed: int, folder: Path) -> None:
    world = World(seed)
    warehouse = refreshed(world, folder)
    in_cuts = warehouse.contents()
    subscriptions = subscriptions_of(warehouse)
    assert_every_order_explains_itself(warehouse)
    warehouse.forget()
    warehouse.refresh()
    at_once = warehouse.contents()
    for name in TABLES:
        assert in_cuts[name] == at_once[name], (seed, name)
    assert len(in_cuts["orders.fct_orders"]) > ORDERS / 2
    expected = {number: told(p, "EUR") for number, p in said(world).items()}
    assert subscriptions == expected, seed


def subscriptions_of(warehouse: Warehouse) -> dict[str, Subscription]:
    found = warehouse.ask(
        """
        select
            subscription_id, state, plan, price::double, currency,
            strftime(contract_ends_at, '%Y-%m-%d'), is_renewal_confirmed
        from orders.fct_subscriptions
        """
    )
    return {number: Subscription(*rest) for number, *rest in found}


def assert_every_order_explains_itself(warehouse: Warehouse) -> None:
    """The last place of the fold is the state, one record made it, and nothing counts in two currencies."""
    assert not warehouse.ask(
        """
        select o.order_id
        from orders.fct_orders as o
        left join orders.fct_order_evidence as e on o.order_id = e.order_id
        group by o.order_id, o.state, o.state_record_id, o.profile_id
        having max_by(e.state_after, e.place) <> o.state
            or list(e.record_id) filter (where e.is_state_record) <> [o.state_record_id]
            or max(e.profile_id) filter (where e.is_owner) is distinct from o.profile_id
            or bool_or(e.is_other_currency and e.believed_for is not null)
        """
    )


def test_orders_in_cuts_are_what_one_refresh_makes_of_everything(
    tmp_path: Path,
) -> None:
    check(0, tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(1, 40))
def test_orders_in_any_cuts_are_what_one_refresh_makes_of_everything(
    seed: int, tmp_path: Path
) -> None:
    check(seed, tmp_path)
