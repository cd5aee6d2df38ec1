"""The event log and the pages about quality: what arrived, what it became, and that values stay text."""

import json
from datetime import date

import duckdb
import pytest

from ingestion.contracts import Reject
from orchestration.event_log.__main__ import lines
from orchestration.event_log.reading import crowds, last
from orchestration.quality.findings import Finding
from orchestration.quality.pages import events_page, quality_page, sources_page
from orchestration.quality.reading import SourceLine, catalogue
from orchestration.warehouse.schema import create_raw
from tests.landed import NOON, event, land, platform

REFUSED = {
    "source_id": "web_shop",
    "received_at": NOON,
    "code": "invalid_event",
    "detail": "timestamp: is required",
    "endpoint": "/v1/track",
    "encoding": "utf-8",
    "raw": '{"event": "Broken"}',
}


@pytest.fixture
def home(tmp_path):
    return platform(tmp_path)


@pytest.fixture
def copy(home):
    """Two records of one event, one of another; the first is the event."""
    with duckdb.connect() as connection:
        create_raw(connection)
        connection.execute("create schema staging")
        rows = [("e1", 1, "Seen"), ("e1", 2, "Seen"), ("e2", 3, "Bought <b>it</b>")]
        for event_id, number, name in rows:
            connection.execute(
                "insert into raw.events (record_id, source_id, received_at, contract, contract_version, event_id, type, "
                "name, shape, flags, identifiers, properties) values (?, 'web_shop', ?, 'event', '1.0', ?, 'track', ?, "
                "'segment', [], [{'type': 'email', 'value': 'ada@x.example'}], ?)",
                [
                    f"00000000-0000-7000-8000-{number:012}",
                    NOON.replace(tzinfo=None, minute=number),
                    *(event_id, name, json.dumps({"place": number})),
                ],
            )
        connection.execute(
            "create table staging.int_distinct_events as "
            "select min(record_id) as record_id, source_id, event_id from raw.events group by all"
        )
        yield connection


def results(entries):
    return [(entry.event_id, entry.result) for entry in entries]


def test_what_arrived_last_comes_last_with_what_it_became(copy, home):
    land(home, event("e3", received_at=NOON.replace(hour=13)))
    land(home, Reject.model_validate(REFUSED | {"received_at": NOON.replace(hour=14)}))
    entries = last(copy, home, 10)
    assert results(entries) == [
        *[("e1", "accepted"), ("e1", "duplicate"), ("e2", "accepted")],
        *[("e3", "landed"), ("-", "rejected")],
    ]
    assert entries[1].reason == f"repeats record {entries[0].record_id}"
    assert entries[-1].reason == "invalid_event: timestamp: is required"
    assert results(last(copy, home, 2)) == results(entries)[-2:]


def test_a_text_is_found_in_ids_identifiers_contents_and_reasons_of_one_source(
    copy, home
):
    land(home, Reject.model_validate(REFUSED))
    assert results(last(copy, home, 9, text="bought")) == [("e2", "accepted")]
    assert len(last(copy, home, 9, text="ADA@x.example")) == 3
    assert results(last(copy, home, 9, text="is required")) == [("-", "rejected")]
    assert last(copy, home, 9, source_id="another") == []


def test_an_entry_says_its_canonical_form(copy, home):
    said = "\n".join(lines(last(copy, home, 1)[0]))
    assert "web_shop segment" in said
    assert "email" in said
    assert '{"place": 3}' in said


def test_the_value_that_stands_for_most_people_comes_first(copy):
    copy.execute(
        "update raw.events set identifiers = list_append(identifiers, {'type': 'user_id', 'value': event_id})"
    )
    assert crowds(copy, "web_shop")[0] == ("email", "ada@x.example", 2)


def test_a_source_that_never_sent_is_in_the_catalogue_and_one_nobody_declared_too(
    copy,
):
    (line,) = catalogue(copy, [])
    assert (line.source_id, line.owner, line.received) == ("web_shop", "nobody", 3)
    assert line.contracts == "event 1.0"


def test_no_value_is_taken_for_markup(copy, home):
    evil = "<script>x</script>"
    finding = Finding("source_silent", evil, evil, date(2026, 1, 27), evil, evil, evil)
    line = SourceLine(evil, "events", evil, evil, evil, evil, 1, 1, 0, None)
    pages = [
        events_page(last(copy, home, 9)),
        quality_page([finding], {}, {}, [], [], [], []),
        sources_page([line]),
    ]
    for text in pages:
        assert "<script" not in text
        assert "<b>it</b>" not in text
        assert "default-src 'none'" in text
    assert "source silent" in pages[1]
