"""The sql connector against a real PostgreSQL: nothing lost on the way, one snapshot, no secret told."""

import time
from collections.abc import Iterator
from decimal import Decimal
from threading import Timer

import pytest

from ingestion.connectors.rows import ExtractError, Reading, Row
from tests.integration import postgres
from tests.pulls import Shop

URL = "postgresql://reader:${SHOP_DB_PASSWORD}@127.0.0.1:%d/postgres"
PEOPLE = """
kind: profiles
description: Customers in the shop's database.
owner: shop-team
extract: {connector: sql, url: "%s", table: sales.customers}
row_key: [id]
identifiers: {user_id: id, email: email}
observed_at: updated_at
"""
EVENTS = """
kind: events
description: What an application writes down.
owner: app-team
extract: {connector: sql, url: "%s", table: sales.events, cursor: at}
row_key: [id]
occurred_at: at
event: name
identifiers: {anonymous_id: visitor}
"""
ALL_TYPES = """
create table sales.all_types (id bigint, amount numeric(30, 10), at timestamptz, local_at timestamp,
    day date, hour time, long_ago interval, tags text[], grid int[][], body jsonb, old json, bytes bytea,
    uid uuid, truth boolean, ratio double precision, small real, nothing text, blank text, place inet, span int4range)
"""
ONE_OF_EACH = r"""
insert into sales.all_types values (9223372036854775807, 12345678901234567890.0123456789,
    '2026-03-29 02:30:00.123456+02', '2026-03-29 02:30:00', '2026-01-31', '23:59:59.5', '1 day 2 hours', '{a,NULL,"b,c"}',
    '{{1,2},{3,4}}', '{"big": 123456789012345678901234567890, "exact": 0.12345678901234567890123, "n": 0.1, "none": null}',
    '{"b": 1, "a": [true]}', '\x00ff', '00000000-0000-4000-8000-000000000001', true, 'NaN', 0.1, null, '', '10.0.0.1/8', '[1,5)')
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as running:
        running.run(
            "create role reader login password '" + postgres.PASSWORD + "'",
            "create schema sales",
            "grant usage on schema sales to reader",
            "alter default privileges in schema sales grant select on tables to reader",
            ALL_TYPES,
            ONE_OF_EACH,
        )
        yield running


@pytest.fixture
def shop(tmp_path, server, monkeypatch) -> Shop:
    monkeypatch.setenv("SHOP_DB_PASSWORD", postgres.PASSWORD)
    server.run(
        "drop table if exists sales.customers cascade",
        "create table sales.customers (id bigint, email text, name text, points int, updated_at timestamptz)",
        "insert into sales.customers select n, 'p' || n || '@x.example', 'N' || n, n, "
        "timestamptz '2026-01-01 00:00+00' + n * interval '1 minute' from generate_series(1, 2500) as n",
    )
    return Shop(tmp_path)


def people(server: postgres.Postgres, **extract: str) -> str:
    declared = PEOPLE % (URL % server.port)
    for name, value in extract.items():
        declared = declared.replace(
            "table: sales.customers", f"table: sales.customers, {name}: {value}"
        )
    return declared


def test_a_table_lands_once_and_then_only_what_changed(shop, server):
    source = shop.declare(people(server) + "deletes: missing\n")
    assert (shop.pull(source).landed, shop.pull(source).changed) == (2500, False)
    server.run(
        "update sales.customers set name = '' where id = 7",
        "delete from sales.customers where id in (8, 9)",
    )
    result = shop.pull(source)
    assert (result.landed, result.deleted) == (1, 2)
    changed = shop.landed("profiles")[2500:]
    assert [(row["op"], row["row_key"]) for row in changed] == [
        ("upsert", "7"),
        ("delete", "8"),
        ("delete", "9"),
    ]
    assert changed[0]["traits"]["name"] == ""


def test_every_type_lands_without_loss(shop, server):
    declared = people(server).replace("sales.customers", "sales.all_types")
    declared = declared.replace(", email: email", "").replace(
        "observed_at: updated_at\n", ""
    )
    shop.pull(shop.declare(declared))
    (row,) = shop.landed("profiles")
    assert row["row_key"] == "9223372036854775807"
    assert row["traits"] == {
        "amount": "12345678901234567890.0123456789",
        "at": "2026-03-29T00:30:00.123456Z",
        "local_at": "2026-03-29T02:30:00",
        "day": "2026-01-31",
        "hour": "23:59:59.500000",
        "long_ago": "1 day, 2:00:00",
        "tags": ["a", None, "b,c"],
        "grid": [[1, 2], [3, 4]],
        "body": {
            "big": "123456789012345678901234567890",
            "exact": "0.12345678901234567890123",
            "n": 0.1,
            "none": None,
        },
        "old": {"b": 1, "a": [True]},
        "bytes": "AP8=",
        "uid": "00000000-0000-4000-8000-000000000001",
        "truth": True,
        "ratio": "NaN",
        "small": 0.1,
        "nothing": None,
        "blank": "",
        "place": "10.0.0.1/8",
        "span": "[1, 5)",
    }


def test_with_a_cursor_only_newer_rows_are_read_and_late_commits_are_not_missed(
    shop, server
):
    source = shop.declare(people(server, cursor="updated_at", columns="[id, email]"))
    assert shop.pull(source).landed == 2500
    server.run(
        "update sales.customers set email = 'new@x.example', updated_at = updated_at + interval '3 days' where id = 7",
        # committed now by a transaction that had begun before the last reading
        "insert into sales.customers select 9001, 'late@x.example', 'Late', 1, max(updated_at) - interval '5 minutes' "
        "from sales.customers where id <> 7",
        "insert into sales.customers values (9002, 'never@x.example', 'No time', 1, null)",
    )
    result = shop.pull(source)
    assert (result.read, result.landed) == (14, 3)
    assert shop.pull(source).changed is False


def test_a_cursor_of_exact_numbers_is_compared_as_numbers(shop, server):
    server.run(
        "drop table if exists sales.log",
        "create table sales.log (no numeric(20, 0), email text)",
        "insert into sales.log values (9, 'a@x.example'), (10, 'b@x.example')",
    )
    declared = people(server, cursor="no").replace("sales.customers", "sales.log")
    source = shop.declare(
        declared.replace("[id]", "[no]")
        .replace("user_id: id, ", "")
        .replace("observed_at: updated_at\n", "")
    )
    shop.pull(source)
    server.run("insert into sales.log values (11, 'c@x.example')")
    result = shop.pull(source)
    assert (result.read, result.landed) == (2, 1)


def test_a_query_is_taken_as_it_is_and_an_edited_one_reads_everything_again(
    shop, server
):
    query = "select id, email, updated_at, name like 'N%' as n, '10:30'::time as at, cast(points as text) from sales.customers where id < 4"
    declared = people(server).replace(
        "table: sales.customers", f'cursor: id, query: "{query}"'
    )
    shop.pull(shop.declare(declared))
    assert shop.landed("profiles")[0]["traits"] == {
        "n": True,
        "at": "10:30:00",
        "points": "1",
        "email": "p1@x.example",
    }
    edited = shop.declare(declared.replace("id < 4", "id < 5 and email <> ''"))
    assert shop.pull(edited).read == 4


def test_one_pull_sees_one_moment(shop, server):
    """Rows that change while the table is read are seen as they were when it began."""
    source = shop.declare(people(server))
    change = Timer(
        0.2, server.run, ["update sales.customers set name = 'changed', points = -1"]
    )
    change.start()
    seen = 0
    for row in source.extract.read(Reading(shop.extracts, shop.folder)):
        assert isinstance(row, Row)
        seen += 1
        if seen == 1:
            time.sleep(0.6)
        assert row.values["name"] != "changed"
    change.join()
    assert seen == 2500


def test_reading_cannot_write(shop, server):
    server.run(
        "create or replace function sales.spoil() returns bigint language sql as "
        "$$ update sales.customers set points = 0 returning 1::bigint $$",
        "grant update on sales.customers to reader",
    )
    declared = people(server).replace(
        "table: sales.customers",
        'query: "select sales.spoil() as id, 1 as email, now() as updated_at"',
    )
    with pytest.raises(ExtractError, match="read-only transaction"):
        shop.pull(shop.declare(declared))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sales.customers", "sales.customer", "`sales.customer` cannot be read"),
        ("sales.customers", "sales.customers, columns: [id, mail]", '"mail" does not'),
        ("sales.customers", "sales.customers, cursor: changed", "'changed' is no col"),
        ("PORT/", "1/", "does not answer"),
        ("reader:", "owner:", "password authentication failed"),
        ("postgresql://", "nosuch://", "install the database's driver"),
        ("/postgres", "/nowhere", 'database "nowhere" does not exist'),
        ("SHOP_DB_PASSWORD", "NOT_SET_ANYWHERE", "set NOT_SET_ANYWHERE in the env"),
        (
            "table: sales.customers",
            "query: 'select 1 as id, 2 as id'",
            "gives id more than once",
        ),
    ],
)
def test_what_cannot_be_read_is_a_sentence_without_a_secret(
    shop, server, monkeypatch, old, new, says
):
    declared = people(server).replace(old.replace("PORT", str(server.port)), new)
    if new == "owner:":
        monkeypatch.setenv("SHOP_DB_PASSWORD", "wrong-" + postgres.PASSWORD)
    with pytest.raises(ExtractError) as told:
        shop.pull(shop.declare(declared))
    assert says in str(told.value)
    assert postgres.PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)
    assert not shop.landed("profiles")


def test_a_server_that_goes_away_in_the_middle_lands_nothing_and_the_next_pull_lands_all(
    shop, server
):
    source = shop.declare(people(server))
    server.run(
        "create or replace view sales.breaking as select *, 1 / (2000 - id) as broken from sales.customers"
    )
    broken = shop.declare(
        people(server).replace("sales.customers", "sales.breaking"), "broken"
    )
    with pytest.raises(ExtractError, match="division by zero"):
        shop.pull(broken)
    assert not shop.landed("profiles")
    assert shop.pull(source).landed == 2500


def test_exact_money_comes_out_of_numeric_columns(shop, server):
    server.run(
        "drop table if exists sales.orders",
        "create table sales.orders (no int, at timestamptz, status text, total numeric(12, 2))",
        "insert into sales.orders values (1, '2026-01-01', 'paid', 0.10)",
    )
    orders = f"""
kind: records
description: Orders.
owner: shop-team
default_currency: EUR
extract: {{connector: sql, url: "{URL % server.port}", table: sales.orders}}
row_key: [no]
record_type: order
order_id: no
occurred_at: at
status: status
effects: {{paid: completed}}
amounts: {{total: {{column: total}}}}
"""
    shop.pull(shop.declare(orders, "orders"))
    (row,) = shop.landed("records")
    assert Decimal(row["properties"]["total"]) == Decimal("0.10")
    assert row["occurred_at"].endswith("Z")


def test_a_table_of_events_is_read_from_where_it_ended_and_no_event_lands_twice(
    shop, server
):
    server.run(
        "drop table if exists sales.events",
        "create table sales.events (id bigint, at timestamptz, name text, visitor uuid, detail jsonb)",
        "insert into sales.events select n, timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', "
        "'Opened', '00000000-0000-4000-8000-000000000001', '{\"n\": 1}' from generate_series(1, 30) as n",
    )
    declared = EVENTS % (URL % server.port)
    source = shop.declare(declared, "app_events")
    assert shop.pull(source).landed == 30
    server.run(
        "insert into sales.events values (31, '2026-01-02 07:00+00', 'Closed', null, null)"
    )
    result = shop.pull(source)
    assert (result.read, result.landed) == (2, 1)
    first, *_, last = shop.landed("events")
    assert first["identifiers"] == [
        {"type": "anonymous_id", "value": "00000000-0000-4000-8000-000000000001"}
    ]
    assert first["properties"] == {"detail": {"n": 1}}
    assert (last["event_id"], last["name"]) == ("31", "Closed")
    assert last["occurred_at"] == "2026-01-02T07:00:00Z"
