"""The acceptance material as the calls a shop would have sent, and the truth it holds to compare with."""

import csv
import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def ecom_calls(acceptance: Path) -> Iterator[Json]:
    """Each row as a Segment call: the user is the cookie, the row's number its message id, the event's name kept.

    Equal rows are real events, so they have ids of their own; there is no `sentAt`, so the given time stands.
    """
    for message_id, row in _ecom_rows(acceptance):
        yield {
            "type": "track",
            "event": row["event"],
            "messageId": message_id,
            "anonymousId": row["user_id"],
            "timestamp": row["timestamp"].replace(" ", "T") + "Z",
            "properties": {"acquisition_channel": row["acquisition_channel"]},
            "context": {"device": {"model": row["platform"]}},
        }


def ecom_session_of_message(acceptance: Path) -> dict[str, str]:
    """Message id → the session the data set says it belongs to."""
    return {message_id: row["session_id"] for message_id, row in _ecom_rows(acceptance)}


def jaffle_order_calls(acceptance: Path) -> Iterator[Json]:
    """Each order as a server event without an amount: amounts are in the payments."""
    with (acceptance / "4-orders-jaffle/raw_orders.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield {
                "event": "purchase_completed",
                "event_id": f"jaffle-order-{row['id']}",
                "timestamp": row["order_date"] + "T00:00:00Z",
                "customer_id": row["user_id"],
                "properties": {"order_id": row["id"], "status": row["status"]},
            }


def folded_files(home: Path, sync: str) -> set[str]:
    """Who is in the audience according to the files dropped for a sync: the highest generation holds."""
    latest: dict[str, tuple[int, str]] = {}
    for manifest in sorted((home / "outbox").glob(f"**/{sync}/*.manifest.json")):
        name = json.loads(manifest.read_text("utf-8"))["file"]
        with (manifest.parent / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                change = int(row["generation"]), row["action"]
                latest[row["recipient"]] = max(
                    latest.get(row["recipient"], change), change
                )
    return {recipient for recipient, (_, action) in latest.items() if action != "exit"}


@cache
def _ecom_rows(acceptance: Path) -> list[tuple[str, Json]]:
    path = acceptance / "5-sessions-ecom/ecom.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [
            (f"ecom-{number:05d}", row)
            for number, row in enumerate(csv.DictReader(file), 1)
        ]
