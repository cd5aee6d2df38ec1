"""Events that are pulled: rows of a table or of files become the events they are, once each, judged like any call."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.connectors import ExtractSource, SourceError
from tests.conftest import ROOT
from tests.pulls import Shop

TILL = (ROOT / "sources" / "examples" / "till_events.yml").read_text("utf-8")
SALES = (
    "at,action,receipt,amount,currency,card,receipt_to,till,newsletter\n"
    "2026-01-30T10:00:00+01:00,sale,R1,12.50,EUR,C-7,ada@example.com,north,yes\n"
    "2026-01-30T11:00:00,opened,,,,,,north,\n"
)
TABLE = """
kind: events
description: Events of an app.
owner: app-team
extract: {files: app.ndjson, format: ndjson}
row_key: [id]
occurred_at: at
event: name
identifiers: {user_id: user, anonymous_id: {columns: [cookie, old_cookie]}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def declared_till(shop: Shop) -> ExtractSource:
    return shop.declare(TILL.partition("\n")[2], "till_events")


def test_a_row_is_an_event_of_its_file_and_line(shop: Shop) -> None:
    shop.put("till/north.csv", SALES)
    shop.pull(declared_till(shop))
    sale, opened = shop.landed("events")
    assert sale["event_id"] == "till/north.csv:2"
    assert (sale["name"], sale["type"], sale["channel"]) == (
        "Order Completed",
        "track",
        "batch",
    )
    assert sale["occurred_at"] == "2026-01-30T09:00:00Z"
    assert sale["identifiers"] == [
        {"type": "email", "value": "ada@example.com"},
        {"type": "loyalty_id", "value": "C-7"},
    ]
    assert sale["properties"] == {
        "order_id": "R1",
        "total": "12.50",
        "amount": "12.50",
        "currency": "EUR",
    }
    assert sale["consent"] == {"marketing": {"email": "granted"}}
    assert sale["context"]["store"] == {"id": "north"}
    assert sale["context"]["extract"].items() >= {
        ("file", "till/north.csv"),
        ("line", 2),
    }
    assert (opened["name"], opened["flags"]) == ("opened", ["naive_timestamp"])


def test_a_second_pull_adds_nothing_even_when_its_memory_is_gone(shop: Shop) -> None:
    shop.put("till/north.csv", SALES)
    source = declared_till(shop)
    assert shop.pull(source).landed == 2
    assert not shop.pull(source).changed
    (shop.home / "connectors" / "till_events.sqlite").unlink()
    assert not shop.pull(source).changed
    shop.put("till/north.csv", SALES + SALES.splitlines()[1] + "\n")
    shop.put("till/south.csv", SALES)
    assert shop.pull(source).landed == 3
    assert len({row["event_id"] for row in shop.landed("events")}) == 5


def test_a_row_that_says_something_else_under_its_key_lands_beside_what_it_said(
    shop: Shop,
) -> None:
    source = shop.declare(TABLE)
    row = '{"id": 1, "at": "2026-01-30T10:00:00Z", "name": "Signed Up", "plan": "%s"}\n'
    shop.put("app.ndjson", row % "free")
    shop.pull(source)
    shop.put("app.ndjson", row % "pro")
    assert shop.pull(source).landed == 1
    shop.put("app.ndjson", "")
    assert not shop.pull(source).changed
    rows = shop.landed("events")
    assert [(row["event_id"], row["properties"]) for row in rows] == [
        ("1", {"plan": "free"}),
        ("1", {"plan": "pro"}),
    ]


def test_several_values_of_one_type_all_identify(shop: Shop) -> None:
    row = {"id": 1, "at": 1769767200, "name": "Seen", "cookie": "a", "old_cookie": "b"}
    shop.put("app.ndjson", f"{row}".replace("'", '"') + "\n")
    shop.pull(shop.declare(TABLE))
    (event,) = shop.landed("events")
    assert event["identifiers"] == [
        {"type": "anonymous_id", "value": "a"},
        {"type": "anonymous_id", "value": "b"},
    ]
    assert event["occurred_at"] == "2026-01-30T10:00:00Z"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"at": None}, "missing_value"),
        ({"at": "yesterday"}, "mistyped_value"),
        ({"at": "2999-01-01T00:00:00Z"}, "in_the_future"),
        ({"name": ""}, "invalid_event"),
        ({"id": None}, "missing_key"),
    ],
)
def test_a_row_that_is_no_event_is_a_reject_with_its_line(
    shop: Shop, change: dict[str, Any], code: str
) -> None:
    good = '{"id": 1, "at": "2026-01-30T10:00:00Z", "name": "Seen"}'
    bad = {"id": 2, "at": "2026-01-30T10:00:00Z", "name": "Seen", **change}
    line = f"{bad}".replace("'", '"').replace("None", "null")
    shop.put("app.ndjson", f"{good}\n{line}\n")
    source = shop.declare(TABLE)
    assert (shop.pull(source).landed, shop.pull(source).new_rejects) == (1, 0)
    (reject,) = shop.landed("rejects")
    assert (reject["code"], reject["item"]) == (code, 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "extract: {files: app.ndjson, format: ndjson}\nrow_key: [id]",
            "extract: {connector: sql, url: 'sqlite://', table: t}",
            "only rows of files have a place",
        ),
        ("row_key: [id]", "row_key: [id]\ndeletes: missing", "events are not deleted"),
        ("event: name", "event: {column: name, constant: x}", "either `column` or"),
        ("occurred_at: at\n", "", "name the column that says when it happened"),
    ],
)
def test_a_mistaken_declaration_is_told(
    shop: Shop, old: str, new: str, says: str
) -> None:
    assert old in TABLE
    with pytest.raises(SourceError, match=says):
        shop.declare(TABLE.replace(old, new))
