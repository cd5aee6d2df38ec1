"""Every record of a simulated month is accounted for, from the landing zone to the events that are held and on the way out.

A record too few or too many, at any of these places, unbalances that place and is named. The balance of journeys has
its own tests, beside theirs.
"""

from contextlib import closing

import duckdb
import pytest

from orchestration.warehouse.ledger import unbalanced as unbalanced_ledger
from orchestration.warehouse.loading import load
from tests.conftest import ROOT
from tests.integration.rendered import Room
from tests.integration.traffic import Traffic, lines, traffic
from tests.landed import platform, seal_text

AT_THE_DOOR = "whatever_was_received_was_accepted_repeated_or_refused"
ON_THE_WAY_OUT = "whatever_was_attempted_is_settled_or_open"
HELD = "staging.int_distinct_events"


def unbalanced(room: Room, balance: str) -> list[tuple]:
    sql = (ROOT / "dbt_project/tests" / f"{balance}.sql").read_text()
    return room.ask(room.render(sql))


def test_whatever_was_landed_in_a_month_is_loaded_once(tmp_path):
    home, month = platform(tmp_path), lines(people=60, days=30, seed=5)
    seal_text(home, b"".join(month))
    seal_text(home, b'{"torn": ')
    load(home)
    with closing(duckdb.connect(home.warehouse)) as connection:
        rows, kept = (
            connection.execute(f"select count(*) from raw.{table}").fetchall()
            for table in ("events", "load_rejects")
        )
        assert (rows, kept) == ([(len(month),)], [(1,)])
        assert unbalanced_ledger(connection) == []
        for change in (
            "delete from raw.events where record_id = (select min(record_id) from raw.events)",
            "insert into raw.events select * from raw.events limit 1",
            "delete from raw.load_rejects",
        ):
            connection.execute("begin")
            connection.execute(change)
            assert len(unbalanced_ledger(connection)) == 1, change
            connection.execute("rollback")


@pytest.fixture
def shop() -> Traffic:
    return traffic()


def test_whatever_was_received_in_two_months_is_an_event_a_repeat_or_a_reject(shop):
    assert unbalanced(shop, AT_THE_DOOR) == []
    assert shop.ask("select sum(received_count) from observability.obs_event_days") == (
        shop.ask("select count(*) from raw.events")
    )


@pytest.mark.parametrize(
    "change",
    [
        f"delete from {HELD} where record_id = ({{one}})",
        f"insert into {HELD} select record_id, source_id, event_id || '-again' from {HELD} where record_id = ({{one}})",
    ],
    ids=["lost", "doubled"],
)
def test_an_event_too_few_or_too_many_unbalances_its_source(shop, change):
    one = f"select max(record_id) from {HELD} where source_id = 'web_shop'"
    with shop.planted():
        shop.ask(change.format(one=one))
        shop.forget()
        Room.refresh(shop)
        assert {row[0] for row in unbalanced(shop, AT_THE_DOOR)} == {"web_shop"}


def test_an_attempt_too_few_or_too_many_unbalances_its_sync():
    room = Room(
        *("stg_landing__deliveries", "fct_sync_attempts"),
        supplied={},
        as_of="2026-01-31T00:00:00",
    )
    room.ask(
        'insert into raw.deliveries (record_id, attempt_id, sync_name, kind, outcome, "at") '
        "select uuid(), 'a' || n, if(n < 5, 'mine', 'other'), kind, if(kind = 'outcome', 'delivered', null), timestamp '2026-01-30' "
        "from range(10) as t(n), (values ('attempt'), ('outcome')) as k(kind) where n > 0 or kind = 'attempt'"
    )
    room.refresh()
    assert unbalanced(room, ON_THE_WAY_OUT) == []
    log = "activation.fct_sync_attempts"
    room.ask(f"create temp table kept as select * from {log}")
    room.ask(f"drop view {log}")
    one = "where attempt_id = 'a1'"
    for change in (
        f"select * from kept except select * from kept {one}",
        f"select * from kept union all select * from kept {one}",
    ):
        room.ask(f"create or replace table {log} as {change}")
        assert [row[0] for row in unbalanced(room, ON_THE_WAY_OUT)] == ["mine"]
