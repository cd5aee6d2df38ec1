"""What an order is, by reading one piece of its evidence after the other.

The oracle knows the rules of orders as sentences: states only rise, a refund waits for its purchase, servers are
believed field by field, amounts of two currencies never meet, and how much came back decides what a refund was.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ingestion.contracts import Event, RecordRow

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


def state_by_hand(
    evidence: Iterable[Evidence], all_came_back: bool = True
) -> tuple[str, int]:
    """The state and the number of the evidence that made it."""
    state, made_by, purchased, waiting = "", -1, False, ""
    meant = [(piece, meaning(piece, all_came_back)) for piece in evidence]
    for piece, reached in sorted(
        meant, key=lambda m: (m[0].at, RANKS[m[1]], m[0].number)
    ):
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


def meaning(piece: Evidence, all_came_back: bool) -> str:
    """An event that says refunded means a part when less than the total came back; a row means what it says."""
    if piece.effect == "refunded" and not piece.is_row and not all_came_back:
        return "partially_refunded"
    return piece.effect


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
    stating = sorted(
        (piece for piece in evidence if piece.is_row or piece.effect in STAGES),
        key=belief,
    )
    with_money = [p.currency for p in stating if stated(p)["revenue"] is not None]
    mentioned = [piece.currency for piece in stating]
    fallback = ["EUR"] if paid is not None else mentioned
    refunds = told_refunds(evidence)
    given_back = [currency for *_, currency in sorted(refunds)]
    currency = next(iter([*with_money, *fallback, *given_back]), None)
    chosen: dict[str, Money] = {}
    for piece in stating:
        if piece.currency == currency:
            for name, amount in stated(piece).items():
                if chosen.get(name) is None:
                    chosen[name] = amount
    if chosen.get("revenue") is None and currency == "EUR":
        chosen["revenue"] = paid
    order = with_the_rest(chosen)
    told = told_refund(refunds, currency)
    total = order["total"]
    state, made_by = state_by_hand(
        evidence, told is None or total is None or told >= total
    )
    return {
        "state": state,
        "made_by": made_by,
        "currency": currency,
        **order,
        "refunded": refunded_by_hand(told, state, total),
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


Refunds = dict[tuple[bool, int, str, str], dict[str, Decimal]]


def told_refunds(evidence: list[Evidence]) -> Refunds:
    """Source and currency → refund → amount; one refund told twice is told once."""
    told: Refunds = defaultdict(dict)
    for piece in evidence:
        if piece.is_row:
            amount = piece.money("refunded")
        elif piece.effect in REFUNDS:
            amount = piece.money(
                "amount", "refunded", "total", "order_value", "revenue"
            )
        else:
            continue
        if amount is not None:
            key = str(piece.properties.get("refund_id", piece.number))
            source = (not piece.is_server, piece.priority, piece.record.source_id)
            refunds = told[*source, piece.currency]
            refunds[key] = max(abs(amount), refunds.get(key, Decimal(0)))
    return told


def told_refund(told: Refunds, currency: str | None) -> Money:
    """What the most believed source tells, in one currency."""
    fitting = [key for key in told if key[-1] == currency]
    return sum(told[min(fitting)].values(), Decimal(0)) if fitting else None


def refunded_by_hand(told: Money, state: str, total: Money) -> Decimal:
    if told is None:
        return (total or Decimal(0)) if state == "refunded" else Decimal(0)
    return told if total is None else min(told, total)
