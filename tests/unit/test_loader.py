"""The loader: sealed segments into raw, exactly once, whatever their lines look like."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson
import pytest
import yaml
import zstandard

from ingestion.landing import (
    archived_segments,
    new_record_id,
    sealed_segments,
)
from ingestion.settings import Settings
from orchestration.warehouse.loading import LoadRefused, load
from orchestration.warehouse.phones import e164
from orchestration.warehouse.schema import create_raw, raw_tables
from orchestration.warehouse.segments import SegmentDamaged
from tests.conftest import ROOT
from tests.landed import NOON, ask, event, everything, land, line, platform, seal_text


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return platform(tmp_path)


def event_ids(home: Settings) -> list[str]:
    return [row[0] for row in ask(home, "select event_id from raw.events order by all")]


def test_raw_tables_have_the_columns_that_dbt_declares() -> None:
    path = ROOT / "dbt_project/models/staging/_sources.yml"
    declared = {
        table["name"]: {c["name"]: c["data_type"] for c in table["columns"]}
        for table in yaml.safe_load(path.read_text())["sources"][0]["tables"]
    }
    assert raw_tables() == declared


def test_a_sealed_segment_is_loaded_once_and_archived(home: Settings) -> None:
    land(home, event("cart"), event("order"))
    first, second = load(home), load(home)
    assert first.rows == {"events": 2}
    assert first.by_source == {("events", "web_shop"): 2}
    assert second.segments == second.finished == 0
    assert event_ids(home) == ["cart", "order"]
    assert not sealed_segments(home.landing)
    assert len(archived_segments(home.landing)) == 1


def test_values_survive_the_way_through_the_landing_zone(home: Settings) -> None:
    moment = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    land(home, event("order", occurred_at=moment, flags=["naive_timestamp"]))
    load(home)
    row = ask(
        home,
        "select occurred_at, identifiers, properties, flags, sent_at from raw.events",
    )[0]
    assert row[0] == moment.replace(tzinfo=None)
    assert row[1] == [{"type": "user_id", "value": "ada"}]
    assert orjson.loads(row[2]) == {"total": 12.5, "note": "Grüße ✓"}
    assert row[3:] == (["naive_timestamp"], None)


BROKEN = {
    "torn": b'{"stream":"events","record_id":"019',
    "blank": b"  ",
    "an empty object": b"{}",
    "a list": b"[1, 2]",
    "not UTF-8": b'{"stream":"events","name":"\xff\xfe"}',
    "two records on a line": line("left").strip() + line("right").strip(),
    "of another stream": line("lost").replace(b'"events"', b'"profiles"').strip(),
    "an id that is none": line("odd").replace(b'"record_id":"0', b'"record_id":"x').strip(),
    "an optional time that is none": line("odd", sent_at=NOON).replace(b'"sent_at":"2026-', b'"sent_at":"x').strip(),
    "a time that is none": line("late").replace(b"2026-01-31", b"2026-13-31").strip(),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_line_that_cannot_be_read_is_kept_with_its_reason_and_its_neighbours_load(
    home: Settings, broken: bytes
) -> None:
    seal_text(home, line("before") + broken + b"\n" + line("after"))
    result = load(home)
    assert event_ids(home) == ["after", "before"]
    assert result.rejected == {"events": 1}
    ((number, reason, raw),) = ask(
        home, "select line, reason, raw from raw.load_rejects"
    )
    assert number == 2
    assert reason
    assert "isolating.ndjson" not in reason
    assert raw == broken.decode("utf-8", "backslashreplace")
    assert ask(home, "select lines, loaded, rejected from raw.loads") == [(3, 2, 1)]


def test_a_segment_cut_in_the_middle_of_a_line_loads_up_to_there(
    home: Settings,
) -> None:
    seal_text(home, line("whole") + line("cut")[:-20])
    load(home)
    assert event_ids(home) == ["whole"]
    assert ask(home, "select lines, loaded, rejected from raw.loads") == [(2, 1, 1)]


def test_one_bad_segment_does_not_hold_up_the_others(home: Settings) -> None:
    seal_text(home, line("a"))
    seal_text(home, b"rubbish\n" * 3)
    seal_text(home, line("b"))
    seal_text(home, b"")
    assert load(home).segments == 4
    assert event_ids(home) == ["a", "b"]
    unbalanced = "select * from raw.loads where loaded + rejected != lines"
    assert ask(home, unbalanced) == []
    assert load(home).segments == 0


def test_a_segment_that_is_sealed_late_is_loaded_although_its_name_is_older(
    home: Settings,
) -> None:
    early = str(new_record_id())
    seal_text(home, line("on_time"))
    load(home)
    seal_text(home, line("late"), name=early)
    assert load(home).segments == 1
    assert event_ids(home) == ["late", "on_time"]


def test_what_a_dead_writer_left_open_is_recovered_and_loaded(home: Settings) -> None:
    path = home.landing / "events" / "open" / f"{new_record_id()}.ndjson"
    path.parent.mkdir(parents=True)
    path.write_bytes(line("acknowledged") + b'{"torn')
    load(home)
    assert event_ids(home) == ["acknowledged"]
    assert ask(home, "select lines, rejected from raw.loads") == [(1, 0)]


def test_a_name_that_was_loaded_before_is_refused_when_its_bytes_differ(
    home: Settings,
) -> None:
    path = seal_text(home, line("first"))
    load(home)
    path.write_bytes(line("second"))
    seal_text(home, line("innocent"))
    with pytest.raises(LoadRefused, match="loaded before with other bytes"):
        load(home)
    assert event_ids(home) == ["first"]
    path.unlink()
    load(home)
    assert event_ids(home) == ["first", "innocent"]


def test_the_same_segment_handed_in_again_is_not_loaded_twice(home: Settings) -> None:
    path = seal_text(home, text := line("only"))
    load(home)
    path.write_bytes(text)
    assert load(home).finished == 1
    assert event_ids(home) == ["only"]
    assert not sealed_segments(home.landing)


def test_a_lost_warehouse_is_rebuilt_from_the_archive(home: Settings) -> None:
    land(home, event("cart"), event("order"))
    seal_text(home, line("third") + b"rubbish\n")
    load(home)
    before = everything(home)
    home.warehouse.unlink()
    assert load(home).segments == 2
    assert everything(home) == before


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_a_truncated_archive_stops_the_rebuild_with_a_sentence(
    home: Settings, keep: float
) -> None:
    land(home, *(event(f"e{n}") for n in range(2000)))
    load(home)
    home.warehouse.unlink()
    (archived,) = archived_segments(home.landing)
    data = archived.path.read_bytes()
    archived.path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(SegmentDamaged, match="Restore it from a backup"):
        load(home)
    assert event_ids(home) == []


def test_a_damaged_archive_stops_the_rebuild_with_a_sentence(home: Settings) -> None:
    archive = home.landing / "events" / "archive" / f"{new_record_id()}.ndjson.zst"
    archive.parent.mkdir(parents=True)
    data = zstandard.ZstdCompressor(write_checksum=True).compress(line("once"))
    archive.write_bytes(data[:-8] + bytes(8))
    with pytest.raises(SegmentDamaged, match="damaged"):
        load(home)


def test_a_raw_table_of_an_older_contract_is_explained(home: Settings) -> None:
    load(home)
    with duckdb.connect(home.warehouse) as connection:
        connection.execute("alter table raw.events drop column shape")
        with pytest.raises(RuntimeError, match="rebuilt from the landing zone"):
            create_raw(connection)


def test_phone_numbers_get_their_e164_form_once_and_again_when_the_region_changes(
    home: Settings,
) -> None:
    declare(home, default_region="DE")
    phone = [{"type": "phone", "value": "030 901820"}]
    land(home, event("a", identifiers=phone), event("b", identifiers=phone))
    assert load(home).phone_numbers == 1
    known = "select value, region, e164 from raw.phone_numbers order by all"
    assert ask(home, known) == [("030 901820", "DE", "+4930901820")]
    declare(home, default_region="FR")
    assert load(home).phone_numbers == 1
    assert load(home).phone_numbers == 0
    assert {row[1] for row in ask(home, known)} == {"DE", "FR"}


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("+49 30 901820", "", "+4930901820"),
        ("030 901820", "", None),
        ("+0000000000", "DE", None),
        ("call me", "DE", None),
        ("1", "DE", None),
    ],
)
def test_only_possible_phone_numbers_get_an_e164_form(
    value: str, region: str, expected: str | None
) -> None:
    assert e164(value, region) == expected


def declare(home: Settings, default_region: str) -> None:
    source = {
        "source_id": "web_shop",
        "kind": "events",
        "description": "The shop",
        "owner": "team:web",
        "default_region": default_region,
    }
    (home.sources_dir / "web_shop.yml").write_text(yaml.safe_dump(source))
