"""What the door keeps of an event whose sender was told not to collect it, as its source declares."""

import csv
from typing import Any

import pytest

from ingestion.contracts.collection import ANONYMOUS, DENIED, Collection
from ingestion.contracts.mappings import EventMapping
from ingestion.contracts.refusals import COLLECTION_REFUSED
from tests.conftest import ROOT
from tests.unit.test_collector import Collector
from tests.unit.test_collector_wire import read

PLACES = {"loyalty_id": "properties.card.number"}
KEPT = EventMapping(identifiers=PLACES, collection=Collection(purpose="Analytics"))
NOT_KEPT = EventMapping(collection=Collection(purpose="analytics", refused="nothing"))
CALL: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "ada",
    "anonymousId": "cookie-of-ada",
    "properties": {"sku": "s1", "email": "ada@x.example", "card": {"number": "17"}},
    "traits": {"first_name": "Ada"},
    "loyalty": "ada-17",
    "context": {
        "ip": "192.0.2.1",
        "device": {"id": "ada-phone"},
        "traits": {"email": "ada@x.example"},
        "page": {"path": "/s1"},
    },
}


@pytest.mark.parametrize(
    "consent",
    [
        {"analytics": "denied", "marketing": True},
        {"analytics.web": "Opted-Out"},
        {"Analytics": {"web": False, "app": "no"}},
        {"categoryPreferences": {"analytics": 0}},
    ],
)
def test_what_is_refused_is_kept_without_the_person(consent):
    event = read({**CALL, "consent": consent}, mapping=KEPT)
    assert "ada" not in event.model_dump_json()
    assert "192.0.2.1" not in event.model_dump_json()
    assert (event.identifiers, event.flags) == ([], [ANONYMOUS, "unknown_field"][::-1])
    assert event.properties == {"sku": "s1"}
    assert event.context == {"page": {"path": "/s1"}}


@pytest.mark.parametrize(
    "consent",
    [None, {}, {"analytics": True}, {"marketing": "denied"}, {"analytics": {"web": "no", "app": "yes"}}],
)  # fmt: skip
def test_what_is_not_refused_is_kept_as_it_is(consent):
    event = read({**CALL, "consent": consent}, mapping=KEPT)
    assert len(event.identifiers) == 5
    assert ANONYMOUS not in event.flags


def test_a_decision_about_consent_is_kept_as_evidence():
    said = {**CALL, "event": "Consent Updated", "consent": {"analytics": "no"}}
    assert read(said, mapping=KEPT).identifiers


def test_a_source_that_keeps_nothing_counts_what_it_did_not_keep(tmp_path):
    refused = {**CALL, "consent": {"analytics": "no"}}
    with Collector(tmp_path, mappings={"web_shop": NOT_KEPT}) as collector:
        answer = collector.post("/v1/batch", [refused, CALL])
        (event,) = collector.landed()
        (reject,) = collector.landed("rejects")
    assert [each["status"] for each in answer.json()["results"]] == [
        "rejected",
        "accepted",
    ]
    assert reject["code"] == COLLECTION_REFUSED
    assert "ada" not in str(reject)
    assert event["identifiers"]


def test_the_words_of_a_refusal_are_those_of_the_seed():
    with (ROOT / "dbt_project/seeds/consent_words.csv").open(newline="") as file:
        words = {r["word"] for r in csv.DictReader(file) if r["meaning"] == "denied"}
    assert words == DENIED
