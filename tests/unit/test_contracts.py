"""The contracts agree with the raw tables, and a line holds exactly what its record says."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from pydantic import ValidationError

from ingestion.contracts import STREAMS, Event, Landed, MarketingRow, ProfileRow
from ingestion.contracts.base import as_utc

SOURCES = (
    Path(__file__).parents[2] / "dbt_project" / "models" / "staging" / "_sources.yml"
)
RECORD_ID = UUID("019a0000-0000-7000-8000-000000000001")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def raw_columns() -> dict[str, list[str]]:
    tables = yaml.safe_load(SOURCES.read_text())["sources"][0]["tables"]
    return {
        table["name"]: [
            column["name"]
            for column in table["columns"]
            if not column["name"].startswith("_")
        ]
        for table in tables
    }


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_a_stream_has_exactly_the_columns_of_its_raw_table(stream: str) -> None:
    assert set(STREAMS[stream].model_fields) == set(raw_columns()[stream])


def test_every_raw_table_that_records_land_in_has_a_contract() -> None:
    loaders_own = {"loads", "load_rejects", "sources", "journeys", "phone_numbers"}
    assert set(STREAMS) == set(raw_columns()) - loaders_own


def an_event(**changes: Any) -> Event:
    given = {
        "source_id": "web_shop",
        "received_at": NOON,
        "event_id": "e1",
        "type": "track",
        "occurred_at": NOON,
        "identifiers": [{"type": "user_id", "value": "ada"}],
        "channel": "client",
        "shape": "segment",
    }
    return Event(**{**given, **changes})


def test_a_line_is_the_record_with_its_stream_and_id() -> None:
    line = an_event(properties={"a": [1, None]}).to_line(RECORD_ID)
    row = json.loads(line)
    assert line.endswith(b"}\n")
    assert set(row) == {"stream", *Event.model_fields}
    assert row["stream"] == "events"
    assert row["record_id"] == str(RECORD_ID)
    assert row["occurred_at"] == "2026-01-31T12:00:00Z"
    assert row["properties"] == {"a": [1, None]}


@pytest.mark.parametrize(
    "given",
    [
        datetime(2026, 1, 31, 12),
        datetime(2026, 1, 31, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_times_are_utc_and_a_naive_one_is_utc_already(given: datetime) -> None:
    assert as_utc(given) == NOON
    assert an_event(occurred_at=given).occurred_at.utcoffset() == timedelta(0)


def test_a_decimal_keeps_its_digits() -> None:
    row = MarketingRow(
        source_id="ads",
        row_key="1",
        row_hash="h",
        metric_date=NOON.date(),
        platform="meta",
        spend=Decimal("12345678901234.5670"),
    )
    assert json.loads(row.to_line(RECORD_ID))["spend"] == "12345678901234.5670"
    assert json.loads(row.to_line(RECORD_ID))["metric_date"] == "2026-01-31"


@pytest.mark.parametrize("value", ["\ud800", 2**70, object()])
def test_what_json_cannot_hold_is_refused_before_it_reaches_a_segment(
    value: Any,
) -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        an_event(properties={"value": value}).to_line(RECORD_ID)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        an_event(surprise=1)


def test_a_record_cannot_be_changed_after_it_was_made() -> None:
    record: Landed = an_event()
    with pytest.raises(ValidationError, match="frozen"):
        record.source_id = "other"


def test_an_extract_row_is_an_upsert_unless_it_says_delete() -> None:
    row = ProfileRow(
        source_id="crm",
        row_key="7",
        row_hash="h",
        observed_at=NOON,
        identifiers=[],
    )
    assert row.op == "upsert"
    with pytest.raises(ValidationError, match="op"):
        ProfileRow(**{**row.model_dump(), "op": "merge"})
