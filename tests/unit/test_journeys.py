"""Journeys as they are declared: the shipped ones are right, and every mistake is a sentence that says what to do."""

import hashlib
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from ingestion.contracts import JourneyDecision
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.destinations.base import ActivationChange
from orchestration.journeys import JourneyError, journey_syncs, load_journeys
from orchestration.journeys.last_word import may_go_out
from orchestration.journeys.relation import as_row
from orchestration.relay.news import plain
from orchestration.warehouse.schema import LEDGERS
from tests.landed import NOON, land

RIGHT = {
    "name": "recovery",
    "description": "A test's.",
    "owner": "tests",
    "entry": {"trigger": "cart_abandoned"},
    "instance_key": ["cart_id"],
    "purpose": "marketing",
    "recipient": "email",
    "reentry": "after 7d",
    "exits": {"events": ["order_completed"], "after": "7d"},
    "max_age": "48h",
    "destination": "webhook",
}


def declare(folder: Path, **changes: object) -> Settings:
    """A platform with one journey, `RIGHT` but for the changes; None leaves a field out."""
    fields = {k: v for k, v in {**RIGHT, **changes}.items() if v is not None}
    folder.mkdir(exist_ok=True)
    (folder / "recovery.yml").write_text(yaml.safe_dump(fields))
    return Settings(home=folder / "home", journeys_dir=folder)


def test_the_shipped_journeys_are_syncs_that_tell_each_instance_once():
    syncs = {sync.sync_name: sync for sync in journey_syncs(Settings())}
    assert {"cart_recovery", "contract_ending", "welcome_prospects"} <= set(syncs)
    assert {sync.mode for sync in syncs.values()} == {"events"}
    assert syncs["cart_recovery"].recipient_type == "email"


def test_a_journey_has_a_value_for_every_column_of_its_relation(tmp_path):
    (journey,) = load_journeys(declare(tmp_path))
    row = as_row(journey)
    assert list(row) == list(LEDGERS["journeys"])
    assert (row["reentry"], row["reentry_minutes"]) == ("after_days", 7 * 24 * 60)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"purpose": "marketting"}, "there is no purpose `marketting`; did you mean `marketing`?"),
        ({"entry": {"trigger": "cart_abandonned"}}, "there is no trigger `cart_abandonned`; did you mean `cart_abandoned`?"),
        ({"exclude": ["repeat_buyer"]}, "there is no audience `repeat_buyer`; did you mean `repeat_buyers`?"),
        ({"exits": {"events": ["order_complete"], "after": "7d"}}, "there is no event `order_complete`; did you mean `order_completed`?"),
        ({"destination": "webhok"}, "there is no destination `webhok`; did you mean `webhook`?"),
        ({"instance_key": ["cart"]}, "there is no property of cart_abandoned `cart`; did you mean `cart_id`?"),
        ({"quiethours": {}}, "field `quiethours` is unknown; did you mean `quiet_hours`?"),
        ({"max_age": None}, "field `max_age` is missing; write a span such as 90m, 48h or 7d"),
        ({"max_age": "2 days"}, "field `max_age` is '2 days', which cannot be: is no span; write a span"),
        ({"reentry": "sometimes"}, "write `never`, `after exit`, `after 7d` or `always`"),
        ({"entry": {"trigger": "cart_abandoned", "audience": "repeat_buyers"}}, "needs either `trigger` or `audience`"),
        ({"entry": {"audience": "repeat_buyers"}}, "`instance_key` and `payload.trigger` are for triggers"),
        ({"quiet_hours": {"from": "21:00", "until": "8:00", "time_zone": {"default": "Europe/Berlin"}}}, "is no time of day in quotes"),
        ({"quiet_hours": {"from": "21:00", "until": "08:00", "time_zone": {"default": "Berlin"}}}, "is no time zone; give a zone by its IANA name"),
        ({"caps": {"48h": 1}}, "field `caps.48h` is unknown"),
        ({"holdout_percent": 60}, "field `holdout_percent` is 60, which cannot be"),
        ({"name": "other"}, "a file is named after its journey"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)  # fmt: skip
def test_a_mistake_is_a_sentence_with_the_file_and_the_nearest_right_name(
    tmp_path, changes, sentence
):
    with pytest.raises(JourneyError) as refused:
        load_journeys(declare(tmp_path / "journeys", **changes))
    assert "journeys/recovery.yml: " in str(refused.value)
    assert sentence in str(refused.value)


def test_a_journey_that_would_be_overlooked_is_named(tmp_path):
    home = declare(tmp_path)
    (tmp_path / "second.yaml").write_text("name: second")
    with pytest.raises(JourneyError, match=r"second\.yaml: journeys end in \.yml"):
        load_journeys(home)


def test_a_journey_is_named_like_no_sync(tmp_path):
    home = declare(tmp_path, name="repeat_buyers_webhook")
    (tmp_path / "recovery.yml").rename(tmp_path / "repeat_buyers_webhook.yml")
    with pytest.raises(JourneyError, match="is named `repeat_buyers_webhook`, too"):
        load_journeys(home)


def test_triggers_that_sql_computes_can_start_a_journey(tmp_path):
    computed = {"trigger": "replenishment_due"}
    home = declare(tmp_path, entry=computed, instance_key=["order_id"])
    assert [journey.entry.name for journey in load_journeys(home)] == [
        "replenishment_due"
    ]


def test_a_trigger_that_was_taken_back_since_its_plan_is_not_sent(tmp_path):
    home = declare(tmp_path)
    home.published.parent.mkdir(parents=True)
    with duckdb.connect(home.published) as copy:
        copy.execute("create schema raw")
        copy.execute("create table raw.loads (stream varchar, segment varchar)")
        copy.execute("create schema journeys")
        copy.execute(
            "create table journeys.int_journey_checks (journey varchar, instance_key varchar, recipient_key varchar,"
            " time_zone varchar, quiet_from_minute bigint, quiet_until_minute bigint)"
        )
    changes = [change(name) for name in ("stays", "goes")]

    def going_out() -> list[ActivationChange]:
        return may_go_out(changes, home, datetime(2026, 1, 31, 12))

    assert going_out() == changes
    # Another writer's segment, begun before and read first.
    with LandingWriter(home.landing) as relay:
        relay.land([decision("other", "entered")])
        land(home, decision("stays", "entered"), decision("goes", "entered"))
        assert going_out() == changes
        again = {"candidate_id": "cart_abandoned:again"}
        beside = decision("stays", "reentry_blocked").model_copy(update=again)
        land(home, beside)
        assert going_out() == changes, "told once is not called back"
        relay.land([decision("goes", "no_consent")])
        assert going_out() == changes[:1]
    with duckdb.connect(home.published) as copy:
        copy.execute(
            "insert into journeys.int_journey_checks values ('recovery', 'c1', 'stays@x.example', 'Europe/Berlin', 720, 900)"
        )
    assert going_out() == [], "it is 13:00 in Berlin"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (" Ann@X.example", "ann@x.example"),
        ("+49 170 1234567", "0170/1234567"),
        ("+491701234567", "+49 (0) 170 123-4567"),
    ],
)
def test_spellings_of_one_identifier_agree_in_plain_form(one, other):
    assert plain(one) == plain(other)


def test_different_identifiers_differ_in_plain_form():
    assert plain("cust_12345678") != plain("cust_02345678")
    assert plain("a@x.example") != plain("b@x.example")


def decision(name: str, outcome: str) -> JourneyDecision:
    return JourneyDecision.model_validate(
        {
            "as_of": NOON,
            "journey": "recovery",
            "candidate_id": f"cart_abandoned:{name}",
            "entry_name": "cart_abandoned",
            "recipient": f"p_{name}",
            "recipient_key": f"{name}@x.example",
            "instance_key": "c1",
            "emitted_at": NOON,
            "outcome": outcome,
        }
    )


def change(name: str) -> ActivationChange:
    operation = f"recovery|c1|{name}@x.example"
    return ActivationChange(
        sync_name="recovery",
        op_id=hashlib.sha256(operation.encode()).hexdigest(),
        action="trigger",
        recipient_key=f"{name}@x.example",
        recipient_type="email",
        handle=f"{name}@x.example",
        profile_id=f"p_{name}",
        payload={},
        payload_hash="",
        mapping_version=1,
        generation=0,
        reason="entered",
        is_blocked=False,
        blocked_by=None,
    )
