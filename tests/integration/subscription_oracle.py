"""What a subscription is, by reading what was said of it one piece after the other, as a clerk would.

A renewal confirms the present end of the contract; once the end moves, the next one is open again. A row of a
business system says what holds from then on. A pause changes nothing once it was called off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

ORDER = [
    *("unknown", "started", "updated", "renewed"),
    *("reactivated", "paused", "cancelled", "ended"),
]
DEPTH = {"active": 0, "paused": 1, "cancelled": 2, "ended": 3}


class Said(NamedTuple):
    at: datetime
    effect: str
    is_server: bool
    record_id: str
    is_row: bool
    words: dict[str, Any]


@dataclass
class Subscription:
    state: str = "unknown"
    plan: str | None = None
    price: float | None = None
    currency: str | None = None
    ends_at: str | None = None
    is_confirmed: bool = False


def told(pieces: Iterable[Said], currency: str) -> Subscription:
    """`currency` is the default of every source."""
    now = Subscription()
    for piece in sorted(
        pieces, key=lambda p: (p.at, ORDER.index(p.effect), p.is_server, p.record_id)
    ):
        now.state = after(now.state, piece)
        now.plan = piece.words.get("plan", now.plan)
        if "price" in piece.words:
            now.price = piece.words["price"]
            now.currency = piece.words.get("currency", currency)
        end = piece.words.get("contract_end")
        has_moved = end is not None and end != now.ends_at
        now.ends_at = end if has_moved else now.ends_at
        now.is_confirmed = confirmed(now.is_confirmed, piece, has_moved)
    return now


def after(state: str, piece: Said) -> str:
    if piece.effect in ("unknown", "updated"):
        return state
    if piece.effect in ("started", "renewed", "reactivated"):
        return "active"
    is_deeper = state == "unknown" or DEPTH[piece.effect] > DEPTH[state]
    return piece.effect if piece.is_row or is_deeper else state


def confirmed(before: bool, piece: Said, has_moved: bool) -> bool:
    if "renewal_confirmed" in piece.words:
        return bool(piece.words["renewal_confirmed"])
    if piece.effect in ("cancelled", "ended") or has_moved:
        return False
    return before or piece.effect == "renewed"
