"""Faults planted into simulated traffic: each is found, with source, place and remedy; clean days find nothing."""

from datetime import date, timedelta

import pytest

from tests.integration.traffic import MORNING, YESTERDAY, Traffic, traffic

THAT_DAY = f"cast(received_at as date) = '{YESTERDAY}'"
OF_THE_SHOP = f"{THAT_DAY} and source_id = 'web_shop'"
OF_THE_BACKEND = f"{THAT_DAY} and source_id = 'shop_backend'"
SINCE_NOON = f"received_at >= '{YESTERDAY} 12:00'"
# The rows of a day again, as another sender would bring them.
ONCE_MORE = "select * replace (uuid() as record_id {more}) from raw.events where {rows}"
EVEN = "'0', '2', '4', '6', '8', 'a', 'c', 'e'"


@pytest.fixture
def shop() -> Traffic:
    return traffic()


def test_thirty_clean_days_find_nothing(shop):
    """Each morning judges shares, properties and identifiers of two days and shows the volumes of fourteen."""
    odd = "select * from observability.obs_volumes where verdict in ('silent', 'low', 'high')"
    try:
        for days in range(0, 30, 2):
            morning = date.fromisoformat(MORNING[:10]) - timedelta(days=days)
            shop.judge(f"{morning}T00:00:00")
            assert shop.findings() == {}, morning
            if days % 14 == 0:
                assert shop.ask(odd) == []
    finally:
        shop.judge(MORNING)


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


def test_a_small_source_that_fell_silent_is_missed_too(shop):
    with shop.planted(f"delete from raw.events where {OF_THE_BACKEND}") as found:
        assert found["source_silent"][:2] == ("shop_backend", "all events")


def test_half_of_a_small_source_is_missed_when_it_lasts(shop):
    """Of a dozen calls half is chance; of a week of them it is not."""
    half = (
        "delete from raw.events where source_id = 'shop_backend' and "
        f"received_at > '{MORNING}'::timestamp - interval '7' day and right(record_id::varchar, 1) in ({EVEN})"
    )
    with shop.planted(half, touched="source_id = 'shop_backend'") as found:
        assert found["volume_low"][:2] == ("shop_backend", "all events")


@pytest.mark.parametrize("when", [OF_THE_SHOP, f"{OF_THE_SHOP} and {SINCE_NOON}"])
def test_a_renamed_property_of_one_event_also_since_noon(shop, when):
    rename = (
        "update raw.events set properties = "
        "replace(properties::varchar, '\"price\":', '\"unit_price\":')::json "
        f"where {when} and name = 'Product Added'"
    )
    with shop.planted(rename) as found:
        assert found["property_vanished"][:2] == ("web_shop", "Product Added.price")
        assert "sources/web_shop.yml" in found["property_vanished"][2]
        assert found["property_new"][1] == "Product Added.unit_price"


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
    """Of a small source, since noon."""
    shift = f"update raw.events set occurred_at = occurred_at {direction} interval '1' hour where {OF_THE_BACKEND} and {SINCE_NOON}"
    with shop.planted(shift) as found:
        source_id, _, remedy = found[finding]
    assert source_id == "shop_backend"
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


def test_an_event_of_a_name_that_nobody_knows(shop):
    renamed = f"update raw.events set name = 'Produkt gesehen' where {OF_THE_SHOP} and name = 'Product Viewed'"
    with shop.planted(renamed) as found:
        source_id, place, remedy = found["event_unknown"]
        assert (source_id, place) == ("web_shop", "Produkt gesehen")
        assert "event_taxonomy.csv" in remedy
        assert found["source_silent"][:2] == ("web_shop", "Product Viewed")


def test_amounts_of_orders_that_do_not_add_up(shop):
    wrong = (
        "insert into observability.obs_order_arithmetic values "
        f"('o-1', 'gross - discount is not revenue', 'shop_backend', '{YESTERDAY} 12:00'), "
        "('o-0', 'gross - discount is not revenue', 'shop_backend', '2025-12-12 12:00')"
    )
    with shop.planted(wrong) as found:
        source_id, place, remedy = found["order_arithmetic"]
    assert (source_id, place) == ("shop_backend", "gross - discount is not revenue")
    assert "fct_order_evidence" in remedy


def test_a_campaign_that_is_clicked_and_brings_nobody(shop):
    days = (
        "insert into marketing.fct_marketing_daily select date '2026-01-20' + n::int, c.* "
        "from range(8) as t(n), (values ('Paid Search', 'brand', 'USD', 20, 9, 0), ('Paid Search', 'brand', 'EUR', 0, 0, 5), "
        "('Paid Social', 'skies', 'USD', 20, 9, 0), ('Display', 'seen', 'USD', 5, 0, 0)) as c"
    )
    with shop.planted(days) as found:
        _, place, remedy = found.pop("spend_without_sessions")
        assert found == {}
    assert place == "Paid Social: skies"
    assert "utm_campaign" in remedy


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
        f"values ('cart_recovery', 'c1', 'entered', true, '{YESTERDAY} 12:00', 1)"
    )
    waiting = "insert into journeys.int_journey_candidates values ('cart_recovery', 'c1', false)"
    with shop.planted(entered, waiting) as found:
        _, place, remedy = found["journey_untold"]
    assert place == "cart_recovery"
    assert "relay_one" in remedy


def test_triggers_that_nobody_relayed(shop):
    calls = (
        "insert into raw.events (record_id, source_id, received_at, occurred_at, event_id, type, name, shape, "
        f"contract_version, identifiers, _load_id) select uuid(), 'shop_backend', '{YESTERDAY} 12:00', '{YESTERDAY} 12:00', 'r' || n, "
        "'track', 'cart_abandoned', 'trigger', '1.0', [{'type': 'user_id', 'value': 'u' || n}], 2 from range(6) as t(n)"
    )
    decided = (
        "insert into journeys.fct_journey_decisions select 'cart_recovery', 'cart_abandoned:shop_backend|r' || n, 'no_consent', true, "
        "timestamp '{at}', 1 from range({first}, {last}) as t(n)"
    )
    late = decided.format(at=MORNING, first=0, last=4)
    soon = decided.format(at=f"{YESTERDAY} 12:01", first=4, last=6)
    with shop.planted(calls, late, soon) as found:
        _, place, remedy = found["relay_stuck"]
    assert place == "cart_recovery"
    assert "relay.lock" in remedy
    with shop.planted(
        calls, decided.format(at=f"{YESTERDAY} 12:01", first=0, last=6)
    ) as found:
        assert found == {}


def test_a_past_that_is_brought_on_one_day_counts_for_the_days_on_which_it_happened(
    shop,
):
    at_once = "update raw.events set received_at = '2026-03-01 12:00', _load_id = 2"
    with shop.planted(at_once, anew=True) as found:
        assert found == {}
    silent = f"delete from raw.events where source_id = 'web_shop' and cast(occurred_at as date) = '{YESTERDAY}'"
    with shop.planted(silent, at_once, anew=True) as found:
        assert found["source_silent"][:2] == ("web_shop", "all events")


def test_what_was_always_so_is_no_fault_of_the_day(shop):
    """An archive that has always sent late; the same share in a source that never did is one."""
    late = "update raw.events set occurred_at = received_at - interval '3' hour, _load_id = 2 where source_id = 'web_shop'"
    with shop.planted(late) as found:
        assert found == {}
