"""Journeys as stories: who enters, who does not and why, and when the trigger may go out."""

from datetime import datetime

import pytest

from ingestion.settings import Settings
from orchestration.journeys.deciding import in_turn
from orchestration.journeys.waiting import quiet_operations, released
from orchestration.warehouse.schema import read_copy
from tests.integration.journeys import JourneyRoom, a_journey
from tests.landed import land

MONDAY = "2026-01-05"
NIGHTS = {"from": "21:00", "until": "08:00"}


def test_a_cart_abandoned_that_is_sent_twice_is_one_instance():
    room = JourneyRoom(a_journey())
    room.person("ann")
    room.emit("first", "ann", f"{MONDAY} 10:00", cart_id="c1")
    room.emit("again", "ann", f"{MONDAY} 10:01", cart_id="c1")
    assert room.decide(f"{MONDAY}T12:00:00") == {
        "first": "entered",
        "again": "held_pacing",
    }
    assert room.deliver() == {"ann@x.example"}
    assert room.decide(f"{MONDAY}T13:00:00") == {"again": "reentry_blocked"}
    assert room.deliver() == set()
    assert room.ask("select count(*) from journeys.fct_journey_instances") == [(1,)]


def test_the_same_moment_again_decides_nothing_new():
    room = JourneyRoom(a_journey(caps={"24h": 1}, per_hour=1, reentry="never"))
    for name in ("ann", "bob"):
        room.person(name)
        room.emit(f"{name}1", name, f"{MONDAY} 10:00", cart_id="c1")
        room.emit(f"{name}2", name, f"{MONDAY} 10:05", cart_id="c2")
    decided = room.decide(f"{MONDAY}T12:00:00")
    assert sorted(decided.values()) == ["entered", *["held_pacing"] * 3]
    assert room.decide(f"{MONDAY}T12:00:00") == {}


def test_a_renewal_removes_the_person_before_the_held_trigger_goes_out():
    room = JourneyRoom(
        a_journey(
            exits={"events": ["subscription_renewed"], "after": "30d"},
            quiet_hours={**NIGHTS, "time_zone": {"default": "Europe/Berlin"}},
        )
    )
    room.person("con")
    room.person("may")
    for name in ("con", "may"):
        room.emit(name, name, f"{MONDAY} 21:30", cart_id="contract")
    assert set(room.decide(f"{MONDAY}T22:00:00").values()) == {"held_quiet_hours"}
    room.insert(
        "identity.fct_profile_events",
        [
            {
                "profile_id": "con",
                "canonical_name": "subscription_renewed",
                "occurred_at": f"{MONDAY} 23:00",
            }
        ],
    )
    assert room.decide("2026-01-06T09:00:00") == {
        "con": "exited_before_release",
        "may": "entered",
    }
    assert room.deliver() == {"may@x.example"}


def test_a_computed_trigger_that_is_no_longer_true_does_not_go_out():
    room = JourneyRoom(a_journey(per_hour=1))
    room.person("ann")
    room.person("bob")
    room.emit("a", "ann", f"{MONDAY} 10:00", cart_id="a")
    room.emit("b", "bob", f"{MONDAY} 10:01", cart_id="b")
    assert room.decide(f"{MONDAY}T12:00:00") == {"a": "entered", "b": "held_pacing"}
    room.run("delete from journeys.fct_trigger_emissions")
    room.look(f"{MONDAY}T12:30:00")
    assert room.deliver() == set(), "what is no longer true is called back"
    assert room.decide(f"{MONDAY}T12:30:00") == dict.fromkeys(
        ["a", "b"], "exited_before_release"
    )


def test_an_unknown_address_waits_visibly_and_enters_when_its_person_appears():
    room = JourneyRoom(a_journey())
    room.emit("cart", None, f"{MONDAY} 10:00", cart_id="c")
    assert room.decide(f"{MONDAY}T12:00:00") == {"cart": "unresolved_identity"}
    assert room.ask(
        "select emitted_count, resolved_count, waiting_count from observability.obs_trigger_funnel"
    ) == [(1, 0, 1)]
    assert room.decide(f"{MONDAY}T13:00:00") == {}, "still waiting is no news"
    room.person("nora")
    room.run("update journeys.fct_trigger_emissions set profile_id = 'nora'")
    assert room.decide(f"{MONDAY}T14:00:00") == {"cart": "entered"}
    assert room.deliver() == {"nora@x.example"}


def test_whoever_waits_too_long_expires():
    room = JourneyRoom(a_journey(max_age="2d"))
    room.emit("cart", None, f"{MONDAY} 10:00", cart_id="c")
    assert room.decide("2026-01-07T09:59:00") == {"cart": "unresolved_identity"}
    assert room.decide("2026-01-07T10:00:00") == {"cart": "expired"}


@pytest.mark.parametrize(
    ("cap", "days", "entered"),
    [({"24h": 1}, 3, 3), ({"7d": 2}, 9, 4), ({"30d": 3}, 9, 3)],
    ids=["one a day", "two a week", "three a month"],
)
def test_a_cap_counts_over_a_rolling_window(cap, days, entered):
    room = JourneyRoom(a_journey(caps=cap))
    room.person("ann")
    for day in range(1, days + 1):
        for hour in (9, 11):
            room.emit(f"{day}-{hour}", "ann", f"2026-01-{day:02} {hour:02}:00")
            room.decide(f"2026-01-{day:02}T{hour:02}:30:00")
            room.deliver()
    latest = list(room.latest().values())
    assert latest.count("entered") == entered
    assert latest.count("capped") == 2 * days - entered


def test_a_cap_looks_at_every_journey_that_reaches_the_contact_point():
    room = JourneyRoom(
        a_journey("first"),
        a_journey("second", entry={"trigger": "visit"}, caps={"24h": 1}),
    )
    room.person("ann")
    room.emit("c", "ann", f"{MONDAY} 10:00")
    room.decide(f"{MONDAY}T10:00:00")
    room.emit("v", "ann", f"{MONDAY} 11:00", trigger="visit")
    assert room.decide(f"{MONDAY}T11:00:00") == {"second v": "capped"}


def test_a_cap_remembers_a_journey_whose_file_is_gone():
    room = JourneyRoom(
        a_journey("first"),
        a_journey("second", entry={"trigger": "visit"}, caps={"24h": 1}),
    )
    room.person("ann")
    room.emit("c", "ann", f"{MONDAY} 10:00")
    room.decide(f"{MONDAY}T10:00:00")
    room.run("delete from raw.journeys where journey = 'first'")
    room.emit("v", "ann", f"{MONDAY} 11:00", trigger="visit")
    assert room.decide(f"{MONDAY}T11:00:00") == {"second v": "capped"}


@pytest.mark.parametrize(
    ("zone", "held", "released"),
    [
        # Clocks go forward: Berlin's night of 29 March is an hour shorter.
        ("Europe/Berlin", "2026-03-29T05:59:00", "2026-03-29T06:00:00"),
        # And back on 25 October: an hour longer.
        ("Europe/Berlin", "2026-10-25T06:59:00", "2026-10-25T07:00:00"),
        # New York changes on 8 March and 1 November.
        ("America/New_York", "2026-03-08T11:59:00", "2026-03-08T12:00:00"),
        ("America/New_York", "2026-11-01T12:59:00", "2026-11-01T13:00:00"),
        # A zone that nobody knows is the default one.
        ("Atlantis/Capital", "2026-03-29T05:59:00", "2026-03-29T06:00:00"),
    ],
)
def test_quiet_hours_end_by_the_recipients_clock_also_when_clocks_change(
    zone, held, released
):
    quiet = {"attribute": "time_zone", "default": "Europe/Berlin"}
    room = JourneyRoom(a_journey(quiet_hours={**NIGHTS, "time_zone": quiet}))
    room.person("ann")
    room.insert(
        "profiles.int_profile_attributes",
        [{"profile_id": "ann", "path": "time_zone", "value_text": zone}],
    )
    room.emit("cart", "ann", held.replace("T", " "))
    assert room.decide(held) == {"cart": "held_quiet_hours"}
    assert room.decide(released) == {"cart": "entered"}


def test_a_trigger_that_could_not_be_delivered_by_day_is_not_tried_again_at_night():
    quiet = {**NIGHTS, "time_zone": {"default": "Europe/Berlin"}}
    room = JourneyRoom(a_journey(quiet_hours=quiet))
    room.person("ann")
    room.emit("cart", "ann", f"{MONDAY} 18:00")
    room.decide(f"{MONDAY}T18:00:00")
    assert room.deliver("retry") == {"ann@x.example"}
    room.decide(f"{MONDAY}T21:00:00")
    assert room.deliver() == set()
    room.decide("2026-01-06T08:00:00")
    assert room.deliver("unknown") == {"ann@x.example"}
    room.decide("2026-01-06T08:30:00")
    assert room.deliver() == {"ann@x.example"}, (
        "unknown is told again, the same operation"
    )
    room.decide("2026-01-06T09:00:00")
    assert room.deliver() == set()
    assert room.ask("select count(distinct op_id) from raw.deliveries") == [(1,)]


@pytest.mark.parametrize(
    ("policy", "next_day", "after_a_week"),
    [
        ("never", "reentry_blocked", "reentry_blocked"),
        ("after exit", "reentry_blocked", "entered"),
        ("after 5d", "reentry_blocked", "entered"),
        ("always", "entered", "entered"),
    ],
)
def test_another_occasion_lets_people_in_again_as_the_policy_says(
    policy, next_day, after_a_week
):
    room = JourneyRoom(a_journey(reentry=policy, exits={"after": "3d"}))
    room.person("ann")
    for key, day, outcome in (
        ("first", "05", "entered"),
        ("second", "06", next_day),
        ("third", "12", after_a_week),
    ):
        room.emit(key, "ann", f"2026-01-{day} 10:00", cart_id=key)
        assert room.decide(f"2026-01-{day}T10:30:00") == {key: outcome}
        room.deliver()


def test_an_event_ends_an_instance_and_lets_in_again_before_its_time():
    room = JourneyRoom(
        a_journey(
            reentry="after exit", exits={"events": ["order_completed"], "after": "9d"}
        )
    )
    room.person("ann")
    room.emit("first", "ann", f"{MONDAY} 10:00", cart_id="1")
    room.decide(f"{MONDAY}T10:00:00")
    room.deliver()
    room.insert(
        "identity.fct_profile_events",
        [
            {
                "profile_id": "ann",
                "canonical_name": "order_completed",
                "occurred_at": f"{MONDAY} 15:00",
            }
        ],
    )
    room.emit("second", "ann", "2026-01-06 10:00", cart_id="2")
    assert room.decide("2026-01-06T10:00:00") == {"second": "entered"}
    assert room.ask(
        "select instance_key, exit_reason from journeys.fct_journey_instances order by 1"
    ) == [("1", "order_completed"), ("2", None)]


def test_consent_withdrawn_after_the_entry_calls_the_trigger_back():
    room = JourneyRoom(a_journey(purpose="marketing", channel="email"))
    consent = {"contact_type": "email", "purpose": "marketing", "channel": "email"}
    for name, state in (("yes", "granted"), ("no", "denied"), ("mute", None)):
        room.person(name)
        room.emit(name, name, f"{MONDAY} 10:00")
        if state:
            said = {**consent, "contact_value": f"{name}@x.example", "state": state}
            room.insert("profiles.dim_consents", [said])
    assert room.decide(f"{MONDAY}T10:00:00") == {
        "yes": "entered",
        "no": "no_consent",
        "mute": "no_consent",
    }
    assert room.deliver("retry") == {"yes@x.example"}
    room.run("update profiles.dim_consents set state = 'denied'")
    assert room.decide(f"{MONDAY}T11:00:00") == {"yes": "no_consent"}
    assert room.deliver() == set()


def test_people_who_cannot_or_must_not_be_reached_are_named_with_the_reason():
    room = JourneyRoom(a_journey(exclude=["buyers"], suppress=["staff"]))
    for name, email in (
        *(("buyer", "b@x.example"), ("clerk", "c@x.example"), ("left", "l@x.example")),
        *(("gone", "g@x.example"), ("mute", None), ("typo", "typo")),
        *(("one", "shared@x.example"), ("two", "shared@x.example")),
    ):
        room.person(name, email=email)
        room.emit(name, name, f"{MONDAY} 10:00", cart_id="the sale")
    for audience, name in (("buyers", "buyer"), ("staff", "clerk")):
        row = {"audience_name": audience, "profile_id": name}
        room.insert("audiences.fct_audience_members", [row])
    for kind, name in (("erasure", "gone"), ("suppression", "left")):
        named = [{"type": "email", "value": f"{name[0].upper()}@x.example"}]
        room.insert(
            "raw.privacy_requests", [{"request_type": kind, "identifiers": named}]
        )
    room.decide(f"{MONDAY}T10:00:00")
    room.decide(f"{MONDAY}T11:00:00")
    assert room.latest() == {
        "buyer": "excluded",
        "clerk": "suppressed",
        "left": "suppressed",
        "gone": "erased",
        "mute": "no_identifier",
        "typo": "invalid_identifier",
        "one": "entered",
        "two": "duplicate_recipient",
    }


def test_a_part_of_the_people_is_held_out_always_the_same():
    room = JourneyRoom(a_journey(holdout_percent=30))
    names = [f"p{n}" for n in range(60)]
    for name in names:
        room.person(name)
        room.emit(f"{name} a", name, f"{MONDAY} 10:00", cart_id="a")
    first = room.decide(f"{MONDAY}T10:00:00")
    for name in names:
        room.emit(f"{name} b", name, "2026-01-06 10:00", cart_id="b")
    second = room.decide("2026-01-06T10:00:00")
    assert [first[f"{n} a"] for n in names] == [second[f"{n} b"] for n in names]
    assert 8 <= list(first.values()).count("holdout") <= 28


def test_a_promotion_is_no_new_person():
    room = JourneyRoom(a_journey(reentry="never"))
    room.person("cookie", email="ann@x.example")
    room.emit("first", "cookie", f"{MONDAY} 10:00", cart_id="1")
    room.decide(f"{MONDAY}T10:00:00")
    room.person("ann")
    room.run("update identity.dim_profile_ids set profile_id = 'ann'")
    room.emit("second", "ann", "2026-01-06 10:00", cart_id="2")
    assert room.decide("2026-01-06T10:00:00") == {"second": "reentry_blocked"}


def test_entering_an_audience_starts_a_journey_and_leaving_it_calls_back():
    room = JourneyRoom(
        a_journey(
            entry={"audience": "prospects"},
            instance_key=[],
            exits={"leaves": ["prospects"], "after": "9d"},
        )
    )
    for name, exited_at in (("stays", None), ("goes", f"{MONDAY} 12:00")):
        room.person(name)
        member = {
            "audience_name": "prospects",
            "profile_id": name,
            "entered_profile_id": name,
            "instance_key": "",
            "entry_number": 1,
            "entered_at": f"{MONDAY} 10:00",
            "exited_at": exited_at,
        }
        room.insert("audiences.fct_audience_membership", [member])
    assert room.decide(f"{MONDAY}T13:00:00") == {
        "stays||1": "entered",
        "goes||1": "exited_before_release",
    }
    assert room.deliver() == {"stays@x.example"}


def test_the_destination_is_told_what_the_journey_names_with_its_type():
    room = JourneyRoom(
        a_journey(payload={"trigger": ["value", "url"], "profile": ["first_name"]})
    )
    room.person("ann")
    room.insert(
        "profiles.int_profile_attributes",
        [{"profile_id": "ann", "path": "first_name", "value": '"Änn \\"A\\""'}],
    )
    room.emit("cart", "ann", f"{MONDAY} 10:00", cart_id='1"|2', value=149.5)
    room.look(f"{MONDAY}T10:00:00")
    assert room.ask("select payload from journeys.int_journey_triggers") == [
        (
            '{"first_name":"Änn \\"A\\"","instance_key":"1\\"|2","journey":"recovery","url":null,"value":149.5}',
        )
    ]


def test_the_read_copy_says_who_sleeps_now_and_whose_night_is_over(tmp_path):
    quiet = {"attribute": "time_zone", "default": "Europe/Berlin"}
    room = JourneyRoom(a_journey(quiet_hours={**NIGHTS, "time_zone": quiet}))
    for name, zone in (("ann", None), ("bob", "America/New_York")):
        room.person(name)
        room.emit(name, name, f"{MONDAY} 20:00")
        if zone:
            told = {"profile_id": name, "path": "time_zone", "value_text": zone}
            room.insert("profiles.int_profile_attributes", [told])
    assert room.decide(f"{MONDAY}T20:30:00") == {
        "ann": "held_quiet_hours",
        "bob": "entered",
    }
    home = Settings(home=tmp_path)
    room.publish(home)

    def waiting_at(time: str) -> tuple[int, list[str]]:
        now = datetime.fromisoformat(time)
        with read_copy(home.published) as copy:
            asleep = quiet_operations(copy, now)
        return len(asleep), [each.split()[1] for each in released(home, now)]

    # Berlin wakes at 7 UTC, New York goes to sleep at 2 and wakes at 13.
    assert waiting_at("2026-01-06 01:59") == (1, [])
    assert waiting_at("2026-01-06 02:00") == (2, [])
    assert waiting_at("2026-01-06 07:00") == (1, [])
    assert waiting_at("2026-01-06 07:05") == (1, ["cart:ann"])
    assert waiting_at("2026-01-06 13:00") == (0, ["cart:ann"])
    land(home, room.pending("cart:ann").model_copy(update={"outcome": "entered"}))
    assert waiting_at("2026-01-06 07:05") == (1, []), "the relay was quicker"


def test_whoever_waits_for_their_turn_is_looked_at_again_after_an_hour(tmp_path):
    room = JourneyRoom(a_journey(per_hour=1))
    for name in ("ann", "bob"):
        room.person(name)
        room.emit(name, name, f"{MONDAY} 10:00")
    assert room.decide(f"{MONDAY}T12:00:00")["bob"] == "held_pacing"
    home = Settings(home=tmp_path)
    room.publish(home)
    assert released(home, datetime(2026, 1, 5, 12, 59)) == []
    assert len(released(home, datetime(2026, 1, 5, 13))) == 1


def test_nobody_enters_beside_an_entry_that_the_refresh_did_not_see():
    """Two carts of one reader: the refresh let in one, the relay the other meanwhile. The cap is one."""
    room = JourneyRoom(a_journey(caps={"24h": 1}))
    room.person("ann")
    room.emit("by the refresh", "ann", f"{MONDAY} 10:00")
    room.look(f"{MONDAY}T12:00:00")
    planned = room.pending("cart:by the refresh")
    room.run("delete from journeys.fct_trigger_emissions")
    room.emit("by the relay", "ann", f"{MONDAY} 12:01")
    assert room.decide(f"{MONDAY}T12:01:30") == {"by the relay": "entered"}

    (landed,) = in_turn([planned], [{**room.facts()[-1]}])
    assert (planned.outcome, landed.outcome) == ("entered", "held_pacing")
    assert in_turn([planned], []) == [planned]
    room.land(landed)
    room.emit("by the refresh", "ann", f"{MONDAY} 10:00")
    assert room.decide(f"{MONDAY}T13:00:00") == {"by the refresh": "capped"}
    assert room.deliver() == {"ann@x.example"}
    assert room.unbalanced() == []


def test_whoever_is_held_by_the_night_or_stands_in_line_for_too_long_expires():
    quiet = {**NIGHTS, "time_zone": {"default": "Europe/Berlin"}}
    room = JourneyRoom(
        a_journey("by_night", quiet_hours=quiet, max_age="10h"),
        a_journey("in_line", per_hour=1, max_age="10h"),
    )
    for name in ("ann", "bob"):
        room.person(name)
        room.emit(name, name, f"{MONDAY} 20:30", cart_id=name)
    room.decide(f"{MONDAY}T20:30:00")
    assert set(room.latest().values()) == {"held_quiet_hours", "entered", "held_pacing"}
    room.deliver()
    room.decide("2026-01-06T06:30:00")
    assert room.latest() == {
        "by_night ann": "expired",
        "by_night bob": "expired",
        "in_line ann": "entered",
        "in_line bob": "expired",
    }
    assert room.unbalanced() == []
