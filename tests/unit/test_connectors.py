"""Pulling extracts: a row lands when it is new or changed, once, and a bad one is a reject with its place."""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from tests.pulls import Shop

PEOPLE = """
kind: profiles
description: People.
owner: tests
extract: {files: people.csv, format: csv}
row_key: [id]
deletes: missing
identifiers: {crm_id: id, email: mail}
consent: {marketing: ok}
observed_at: seen
types: {points: integer}
"""
HEADER = "id,mail,name,points,ok,seen\n"
ADA = "1,ada@x.example,Ada,7,yes,2026-01-01 10:00\n"
BEN = "2,ben@x.example,Ben,8,,2026-01-02\n"

ORDERS = """
kind: records
description: Orders.
owner: tests
default_currency: EUR
extract: {files: orders.ndjson, format: ndjson}
row_key: [no]
record_type: order
order_id: no
occurred_at: at
status: status
effects: {paid: completed, back: refunded}
identifiers: {user_id: buyer.id, email: buyer.mails}
amounts: {total: {column: total, unit: cents}}
properties: {lines.count: count}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_row_lands_as_its_source_maps_it(shop):
    shop.put("people.csv", HEADER + ADA)
    shop.pull(shop.declare(PEOPLE))
    (row,) = shop.landed("profiles")
    assert row["row_key"] == "1"
    assert (row["op"], row["file"], row["line"]) == ("upsert", "people.csv", 2)
    assert row["identifiers"] == [
        {"type": "crm_id", "value": "1"},
        {"type": "email", "value": "ada@x.example"},
    ]
    assert row["traits"] == {"name": "Ada", "points": 7, "email": "ada@x.example"}
    assert row["consent"] == {"marketing": "granted"}
    assert row["observed_at"] == "2026-01-01T10:00:00Z"


@pytest.mark.parametrize(
    ("row", "known_by"),
    [
        ({"name": " Zoë  MARIE", "born": "1990-05-01"}, "zoë marie|1990-05-01"),
        ({"name": "Zoe\u0308 Marie", "born": "1990-05-01"}, "zoë marie|1990-05-01"),
        ({"name": "Zoë", "born": " "}, None),
        ({"name": "Zoë"}, None),
    ],
)
def test_columns_together_are_one_identifier_or_none(shop, row, known_by):
    together = "{columns: [name, born], together: true}"
    declared = PEOPLE.replace("email: mail", f"name_birth_date: {together}")
    declared = declared.replace("people.csv, format: csv", "p.ndjson, format: ndjson")
    shop.put("p.ndjson", json.dumps({"id": 1, **row}) + "\n")
    shop.pull(shop.declare(declared))
    (landed,) = shop.landed("profiles")
    _, *others = landed["identifiers"]
    expected = [{"type": "name_birth_date", "value": known_by}] if known_by else []
    assert others == expected


def test_consent_may_be_given_per_channel(shop):
    shop.put("people.csv", HEADER + ADA)
    shop.pull(shop.declare(PEOPLE.replace("marketing: ok", "marketing.email: ok")))
    assert shop.landed("profiles")[0]["consent"] == {"marketing": {"email": "granted"}}


def test_a_second_pull_lands_nothing(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN + "3,broken\n")
    first, second = shop.pull(source), shop.pull(source)
    assert (first.landed, first.new_rejects) == (2, 1)
    assert (second.landed, second.unchanged, second.new_rejects) == (0, 2, 0)
    assert second.rejected == 1
    assert not second.changed
    assert len(shop.landed("profiles")) == 2
    assert len(shop.landed("rejects")) == 1


def test_only_changed_rows_land_again(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(source)
    shop.put("people.csv", HEADER + BEN + ADA.replace("Ada", "Adele"))
    assert shop.pull(source).landed == 1
    assert [row["traits"]["name"] for row in shop.landed("profiles")] == [
        "Ada",
        "Ben",
        "Adele",
    ]


def test_a_changed_mapping_lands_every_row_again(shop):
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(shop.declare(PEOPLE))
    renamed = PEOPLE + "attributes: {first_name: name}\n"
    assert shop.pull(shop.declare(renamed)).landed == 2


def test_a_missing_row_is_landed_as_deleted_once_and_keeps_its_identifiers_only(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(source)
    shop.put("people.csv", HEADER + ADA)
    assert shop.pull(source).deleted == 1
    assert shop.pull(source).deleted == 0
    last = shop.landed("profiles")[-1]
    assert (last["op"], last["row_key"], last["traits"]) == ("delete", "2", None)
    assert {"type": "email", "value": "ben@x.example"} in last["identifiers"]


def test_a_deleted_row_that_comes_back_lands_again(shop):
    source = shop.declare(PEOPLE)
    for content in (ADA + BEN, ADA, ADA + BEN):
        shop.put("people.csv", HEADER + content)
        shop.pull(source)
    assert [row["op"] for row in shop.landed("profiles")] == [
        "upsert",
        "upsert",
        "delete",
        "upsert",
    ]


def test_rows_stay_when_deletes_are_not_declared(shop):
    source = shop.declare(PEOPLE.replace("deletes: missing", "deletes: none"))
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(source)
    shop.put("people.csv", HEADER + ADA)
    assert not shop.pull(source).changed


@pytest.mark.parametrize("now", [HEADER, HEADER + ADA + "broken\n", None])
def test_rows_missing_from_an_empty_broken_or_absent_extract_are_not_deleted(shop, now):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(source)
    if now is None:
        (shop.extracts / "people.csv").unlink()
    else:
        shop.put("people.csv", now)
    result = shop.pull(source)
    assert result.deleted == 0
    assert result.held_deletes > 0
    assert result.note


def test_an_extract_that_lost_most_of_its_rows_deletes_none(shop):
    source = shop.declare(PEOPLE)
    rows = [ADA.replace("1,", f"{number},", 1) for number in range(40)]
    shop.put("people.csv", HEADER + "".join(rows))
    shop.pull(source)
    shop.put("people.csv", HEADER + "".join(rows[:5]))
    result = shop.pull(source)
    assert (result.deleted, result.held_deletes) == (0, 35)
    assert "35 of 40 known rows are missing" in result.note


@pytest.mark.parametrize("damage", ["lost", "broken", "of another version"])
def test_a_state_file_that_cannot_be_used_is_rebuilt_from_the_landing_zone(
    shop, damage
):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN + "3,broken\n")
    shop.pull(source)
    shop.put("people.csv", HEADER + ADA + "3,broken\n" + BEN.replace("Ben", "Benno"))
    shop.pull(source)
    state = shop.home / "connectors" / "people.sqlite"
    if damage == "lost":
        state.unlink()
    else:
        state.write_text('{"rows": ' if damage == "broken" else '{"version": 0}')
    assert not shop.pull(source).changed
    assert len(shop.landed("profiles")) == 3
    assert len(shop.landed("rejects")) == 1


def test_a_landing_zone_that_was_emptied_is_filled_again(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA)
    shop.pull(source)
    (shop.home / "landing").rename(shop.home / "elsewhere")
    assert shop.pull(source).landed == 1


@pytest.mark.parametrize(
    ("row", "code", "line"),
    [
        (b"3,c@x.example,Cy\n", "ragged_row", 3),
        (b",c@x.example,Cy,1,,\n", "missing_key", 3),
        (b"3,c@x.example,Cy,many,,\n", "mistyped_value", 3),
        (b"3,c@x.example,Cy,1,perhaps,\n", "mistyped_value", 3),
        (b"3,c@x.example,Cy,1,,yesterday\n", "mistyped_value", 3),
        (b"3,c@x.example,Cy,1,,9999-12-31\n", "in_the_future", 3),
        (b"3,c@x.example,C\xff,1,,\n", "bad_encoding", 3),
        (b'3,c@x.example,"C"y,1,,\n', "bad_csv", 3),
        (b"1,other@x.example,Ada,1,,\n", "duplicate_key", 3),
    ],
)
def test_a_bad_row_is_a_reject_with_its_line_and_costs_no_other(shop, row, code, line):
    shop.put("people.csv", HEADER.encode() + ADA.encode() + row + BEN.encode())
    result = shop.pull(shop.declare(PEOPLE))
    assert (result.read, result.landed, result.rejected) == (3, 2, 1)
    (reject,) = shop.landed("rejects")
    assert (reject["code"], reject["item"]) == (code, line)
    assert f"people.csv, line {line}:" in reject["detail"]
    assert reject["raw"]


def test_line_numbers_count_physical_lines(shop):
    shop.put("people.csv", HEADER + ADA.replace("Ada", '"A\nd\na"') + "2,broken\n")
    shop.pull(shop.declare(PEOPLE))
    assert shop.landed("profiles")[0]["traits"]["name"] == "A\nd\na"
    assert shop.landed("rejects")[0]["item"] == 5


def test_an_unclosed_quote_is_one_reject_and_deletes_nobody(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + ADA + BEN)
    shop.pull(source)
    shop.put("people.csv", HEADER + ADA.replace("Ada", '"Ada') + BEN)
    result = shop.pull(source)
    assert (result.rejected, result.deleted, result.held_deletes) == (1, 0, 2)


def test_a_file_that_lost_a_column_is_refused_whole(shop):
    shop.put("people.csv", "id,name,points,ok,seen\n1,Ada,7,,\n2,Ben,8,,\n")
    result = shop.pull(shop.declare(PEOPLE))
    assert (result.read, result.landed, result.rejected, result.new_rejects) == (
        2,
        0,
        2,
        1,
    )
    assert "no column 'mail'" in shop.landed("rejects")[0]["detail"]


def test_the_same_bad_row_twice_is_two_rejects_and_no_more_on_the_next_pull(shop):
    source = shop.declare(PEOPLE)
    shop.put("people.csv", HEADER + "broken\nbroken\n")
    assert shop.pull(source).new_rejects == 2
    assert shop.pull(source).new_rejects == 0


def test_a_glob_reads_its_files_by_name_and_the_last_word_on_a_key_holds(shop):
    source = shop.declare(PEOPLE.replace("files: people.csv", "files: daily/*.csv"))
    shop.put("daily/2.csv", HEADER + ADA.replace("Ada", "Adele"))
    shop.put("daily/1.csv", HEADER + ADA + BEN)
    first, second = shop.pull(source), shop.pull(source)
    assert (first.files, first.read, first.landed, first.superseded) == (2, 3, 2, 1)
    assert not second.changed
    names = {row["row_key"]: row["traits"]["name"] for row in shop.landed("profiles")}
    assert names == {"1": "Adele", "2": "Ben"}


def test_compressed_files_and_byte_order_marks_are_read(shop):
    source = shop.declare(PEOPLE.replace("people.csv", "people.csv.gz"))
    shop.put("people.csv.gz", gzip.compress(b"\xef\xbb\xbf" + (HEADER + ADA).encode()))
    assert shop.pull(source).landed == 1


def order(number: object, **fields: object) -> str:
    buyer = {"id": 12, "mails": ["a@x.example", "", "b@x.example"]}
    row = {
        "no": number,
        "at": 1767261600,
        "status": "paid",
        "total": 1005,
        "buyer": buyer,
    }
    return json.dumps({**row, "count": 2, **fields}) + "\n"


def test_a_record_gets_its_effect_and_its_amounts_in_major_units(shop):
    shop.put("orders.ndjson", order(7))
    shop.pull(shop.declare(ORDERS, "orders"))
    (row,) = shop.landed("records")
    assert (row["record_type"], row["order_id"]) == ("order", "7")
    assert (row["source_status"], row["effect"]) == ("paid", "completed")
    assert row["occurred_at"] == "2026-01-01T10:00:00Z"
    assert row["properties"] == {
        "lines": {"count": 2},
        "total": "10.05",
        "currency": "EUR",
    }
    assert row["identifiers"] == [
        {"type": "user_id", "value": "12"},
        {"type": "email", "value": "a@x.example"},
        {"type": "email", "value": "b@x.example"},
    ]


def test_a_status_without_an_effect_waits_as_a_reject_until_it_is_declared(shop):
    shop.put("orders.ndjson", order(7) + order(8, status="lost"))
    assert shop.pull(shop.declare(ORDERS, "orders")).landed == 1
    (reject,) = shop.landed("rejects")
    assert "add it to `effects` of source orders" in reject["detail"]
    declared = shop.declare(ORDERS.replace("back:", "lost: cancelled, back:"), "orders")
    assert shop.pull(declared).landed == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [("{no json\n", "bad_json"), ("[1]\n", "bad_json"), (order(None), "missing_key")],
)
def test_a_line_that_is_no_row_is_a_reject(shop, line, code):
    shop.put("orders.ndjson", line + order(7))
    assert shop.pull(shop.declare(ORDERS, "orders")).landed == 1
    assert shop.landed("rejects")[0]["code"] == code


@pytest.mark.parametrize("document", ["{", '{"rows": 1}', "7"])
def test_a_json_file_without_rows_is_a_reject(shop, document):
    source = shop.declare(
        ORDERS.replace(
            "orders.ndjson, format: ndjson", "o.json, format: json, rows: rows"
        )
    )
    shop.put("o.json", document)
    assert shop.pull(source).new_rejects == 1
    shop.put(
        "o.json", json.dumps({"rows": [json.loads(order(1)), json.loads(order(2))]})
    )
    assert shop.pull(source).landed == 2


def test_ad_metrics_keep_their_exact_amounts(shop):
    source = yaml.safe_load(
        (Path(__file__).parents[2] / "sources/ad_spend.yml").read_text()
    )
    source["extract"]["files"] = "ads.csv"
    del source["source_id"]
    shop.put(
        "ads.csv",
        "date,account_id,campaign_id,campaign,ad_group_id,ad_group,ad_id,ad,currency,"
        "cost_micros,impressions,clicks,conversions,conversion_value\n"
        "2026-01-02,a,1,brand,g,all,x,text,EUR,1234500,10,2,0.5,9.99\n"
        "2026-01-03,a,1,brand,g,all,x,text,EUR,lots,10,2,0.5,9.99\n",
    )
    assert shop.pull(shop.declare(yaml.safe_dump(source), "ads")).rejected == 1
    (row,) = shop.landed("marketing")
    assert (row["metric_date"], row["spend"], row["revenue"]) == (
        "2026-01-02",
        "1.2345",
        "9.99",
    )
    assert (row["impressions"], row["conversions"]) == (10, "0.5")
