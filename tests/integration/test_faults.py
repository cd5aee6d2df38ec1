"""Faults planted into simulated traffic: each is found, with source, place and remedy; clean days find nothing."""

from datetime import date, timedelta

import pytest

from tests.conftest import ROOT
from tests.integration.rendered import Room
from tests.integration.traffic import MORNING, YESTERDAY, Traffic, traffic

THAT_DAY = f"cast(received_at as date) = '{YESTERDAY}'"
OF_THE_SHOP = f"{THAT_DAY} and source_id = 'web_shop'"
# The rows of a day again, as another sender would bring them.
ONCE_MORE = "select * replace (uuid() as record_id {more}) from raw.events where {rows}"
EVEN = "'0', '2', '4', '6', '8', 'a', 'c', 'e'"
BALANCE = "whatever_was_received_was_accepted_repeated_or_refused"


@pytest.fixture
def shop() -> Traffic:
    return traffic()


def test_thirty_clean_days_find_nothing(shop):
    try:
        for days in range(30):
            morning = date.fromisoformat(MORNING[:10]) - timedelta(days=days)
            shop.judge(f"{morning}T00:00:00")
            assert shop.findings() == {}, morning
    finally:
        shop.judge(MORNING)


def test_every_record_of_two_months_is_accounted_for(shop):
    assert unbalanced(shop) == []
    assert shop.ask("select sum(received_count) from observability.obs_event_days") == (
        shop.ask("select count(*) from raw.events")
    )


def test_an_event_that_got_lost_unbalances_its_source_and_day(shop):
    with shop.planted():
        lost = "select max(record_id) from staging.int_distinct_events where source_id = 'web_shop'"
        where = "select source_id, cast(received_at as date) from raw.events where record_id = "
        ((source_id, day),) = shop.ask(f"{where} ({lost})")
        shop.ask(f"delete from staging.int_distinct_events where record_id = ({lost})")
        shop.forget()
        Room.refresh(shop)
        assert [(row[0], row[1]) for row in unbalanced(shop)] == [(source_id, day)]


def test_a_day_that_changed_is_as_if_everything_had_been_built_anew(shop):
    """A smaller record of an event of another day takes the event away from that day."""
    overtaking = (
        "insert into raw.events select * replace ("
        "'00000000-0000-0000-0000-000000000000'::uuid as record_id, "
        f"timestamp '{YESTERDAY} 12:00' as received_at, 2 as _load_id) "
        "from raw.events where cast(received_at as date) = '2026-01-10' limit 1"
    )
    tables = [
        f"observability.{name}" for name in ("obs_event_days", "obs_property_days")
    ]
    with shop.planted(overtaking):
        changed = [sorted(shop.ask(f"select * from {t}"), key=str) for t in tables]
        shop.forget()
        shop.refresh()
        anew = [sorted(shop.ask(f"select * from {t}"), key=str) for t in tables]
    assert changed == anew


def unbalanced(shop: Traffic) -> list[tuple]:
    sql = (ROOT / "dbt_project/tests" / f"{BALANCE}.sql").read_text()
    return shop.ask(shop.render(sql))


def test_a_source_that_fell_silent(shop):
    with shop.planted(f"delete from raw.events where {OF_THE_SHOP}") as found:
        source_id, place, remedy = found["source_silent"]
    assert (source_id, place) == ("web_shop", "all events")
    assert "is its key valid" in remedy


def test_half_of_the_volume(shop):
    half = f"delete from raw.events where {OF_THE_SHOP} and right(record_id::varchar, 1) in ({EVEN})"
    with shop.planted(half) as found:
        assert found["volume_low"][:2] == ("web_shop", "all events")
        assert "source_silent" not in found


def test_a_feast_in_the_seed_is_no_fault(shop):
    feast = f"insert into seeds.holidays values ('{YESTERDAY}', 'A feast')"
    half = f"delete from raw.events where {OF_THE_SHOP} and right(record_id::varchar, 1) in ({EVEN})"
    with shop.planted(half, feast) as found:
        assert found == {}


def test_a_renamed_property(shop):
    rename = (
        "update raw.events set properties = "
        "replace(properties::varchar, '\"price\":', '\"unit_price\":')::json "
        f"where {OF_THE_SHOP}"
    )
    with shop.planted(rename) as found:
        source_id, place, remedy = found["property_vanished"]
        assert (source_id, place.endswith(".price")) == ("web_shop", True)
        assert "sources/web_shop.yml" in remedy
        assert found["property_new"][1].endswith(".unit_price")


def test_a_number_that_became_text(shop):
    retype = (
        "update raw.events set properties = regexp_replace("
        'properties::varchar, \'"price":([0-9.]+)\', \'"price":"\\1"\')::json '
        f"where {OF_THE_SHOP}"
    )
    with shop.planted(retype) as found:
        assert found["property_type"][1].endswith(".price")
        assert "property_vanished" not in found


def test_a_sender_that_sends_everything_twice(shop):
    rows = OF_THE_SHOP
    twice = f"insert into raw.events {ONCE_MORE.format(more='', rows=rows)}"
    with shop.planted(twice) as found:
        source_id, place, remedy = found["rate_duplicates"]
        assert (source_id, place) == ("web_shop", "duplicates")
        assert "second tag" in remedy
        assert "volume_high" not in found


def test_a_second_sender_with_ids_of_its_own(shop):
    more = ", event_id || '-b' as event_id"
    twice = f"insert into raw.events {ONCE_MORE.format(more=more, rows=OF_THE_SHOP)}"
    with shop.planted(twice) as found:
        assert found["volume_high"][:2] == ("web_shop", "all events")


@pytest.mark.parametrize(
    ("direction", "finding"), [("+", "rate_early"), ("-", "rate_delayed")]
)
def test_a_clock_that_is_an_hour_off(shop, direction, finding):
    shift = f"update raw.events set occurred_at = occurred_at {direction} interval '1' hour where {OF_THE_SHOP}"
    with shop.planted(shift) as found:
        source_id, _, remedy = found[finding]
    assert source_id == "web_shop"
    assert "clock" in remedy


def test_a_junk_identifier(shop):
    junk = (
        "update raw.events set identifiers = list_append(identifiers, "
        "{'type': 'email', 'value': 'noreply@shop.example'}) "
        f"where {OF_THE_SHOP}"
    )
    with shop.planted(junk) as found:
        source_id, place, remedy = found["junk_identifier"]
    assert (source_id, place) == ("web_shop", "identifiers.email")
    assert "blocked_identifiers.csv" in remedy


def test_a_consent_column_that_was_dropped(shop):
    rows = (
        "insert into raw.profiles (record_id, source_id, received_at, row_key, op, traits, consent, _load_id) "
        "select uuid(), 'crm', '{day}', 'c' || n, 'upsert', '{{\"city\":\"Jena\"}}', {consent}, {load} from range(60) as t(n)"
    )
    before = rows.format(day="2026-01-20", consent="'{\"marketing\":true}'", load=1)
    after = rows.format(day=YESTERDAY, consent="null", load=2)
    with shop.planted(before, after) as found:
        source_id, place, remedy = found["consent_vanished"]
    assert (source_id, place) == ("crm", "row.consent.marketing")
    assert "sources/crm.yml" in remedy


def test_an_audience_that_emptied(shop):
    left = (
        "insert into audiences.fct_audience_membership "
        f"select 'loyal', timestamp '{MORNING}' from range(40)"
    )
    with shop.planted(left) as found:
        _, place, remedy = found["audience_emptied"]
    assert place == "loyal"
    assert "python -m orchestration.audience why loyal" in remedy


def test_a_destination_that_rejects(shop):
    attempts = (
        "insert into activation.fct_sync_attempts select 'loyal_to_tool', 'tool', "
        f"if(n < 20, 'rejected', 'delivered'), '{YESTERDAY} 12:00' from range(100) as t(n)"
    )
    with shop.planted(attempts) as found:
        account, sync, remedy = found["destination_rejects"]
    assert (account, sync) == ("tool", "loyal_to_tool")
    assert "python -m orchestration.why delivery loyal_to_tool" in remedy


def test_a_trigger_whose_senders_speak_two_versions(shop):
    calls = (
        "insert into raw.events (record_id, source_id, received_at, occurred_at, event_id, type, name, shape, "
        f"contract_version, flags, _load_id) select uuid(), 'shop_backend', '{YESTERDAY} 12:00', '{YESTERDAY} 12:00', 'v' || n, "
        "'track', 'nps_submitted', 'trigger', if(n < 3, '2.0', '1.0'), [], 2 from range(6) as t(n)"
    )
    with shop.planted(calls) as found:
        source_id, place, remedy = found["trigger_versions"]
    assert (source_id, place) == ("shop_backend", "nps_submitted")
    assert "2.0" in remedy


def test_a_trigger_in_a_version_that_nobody_declared(shop):
    refused = (
        "insert into raw.rejects (record_id, source_id, received_at, code, detail, endpoint, _load_id) "
        f"select uuid(), 'shop_backend', '{YESTERDAY} 12:00', 'unknown_trigger', 'version 3 is not declared', "
        "'/triggers/nps_submitted', 2 from range(8)"
    )
    with shop.planted(refused) as found:
        source_id, place, remedy = found["trigger_refused"]
    assert (source_id, place) == ("shop_backend", "/triggers/nps_submitted")
    assert "version 3" in remedy


def test_a_relay_that_is_stuck(shop):
    entered = (
        "insert into journeys.fct_journey_decisions "
        f"values ('cart_recovery', 'c1', 'entered', true, '{YESTERDAY} 12:00')"
    )
    waiting = "insert into journeys.int_journey_candidates values ('cart_recovery', 'c1', false)"
    with shop.planted(entered, waiting) as found:
        _, place, remedy = found["journey_untold"]
    assert place == "cart_recovery"
    assert "relay_one" in remedy


def test_a_day_is_held_against_its_own_weekday(shop):
    """Saturdays bring 2000 and Fridays 400: a Friday with 2000 is much."""
    days = ", ".join(
        f"('web', 'page', date '2026-01-{day:02}', {count})"
        for day, count in [
            (1, 1),
            *[(9, 400), (16, 400), (23, 390), (30, 2000)],
            *[(10, 2000), (17, 2000), (24, 2000), (31, 1900)],
        ]
    )
    with shop.planted():
        table = "observability.obs_event_days"
        shop.ask(f"delete from {table}")
        names = "(source_id, event_name, received_date, accepted_count)"
        shop.ask(f"insert into {table} {names} values {days}")
        shop.judge("2026-02-01T00:00:00")
        judged = shop.ask(
            "select volume_date::varchar, verdict from observability.obs_volumes "
            "where event_name is null and volume_date >= '2026-01-29' order by all"
        )
        shop.as_of = MORNING
    assert judged == [
        ("2026-01-29", "too few"),
        ("2026-01-30", "high"),
        ("2026-01-31", "as expected"),
    ]


def test_what_was_always_so_is_no_fault_of_the_day(shop):
    """An archive that has always sent late; the same share in a source that never did is one."""
    late = "update raw.events set occurred_at = received_at - interval '3' hour, _load_id = 2 where source_id = 'web_shop'"
    with shop.planted(late) as found:
        assert found == {}
