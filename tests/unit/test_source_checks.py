"""What the checks of a source say: late, empty, unreadable or half gone, each with the remedy; and nothing when it is well."""

import os
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ingestion.connectors import ExtractSource, load_sources
from ingestion.settings import Settings
from orchestration.assets.landing import pulled
from orchestration.checks import alive, extract_checks
from orchestration.resources import platform
from tests.pulls import Shop

PEOPLE = """
kind: profiles
description: People.
owner: crm-team
extract: {files: people.csv, format: csv}
row_key: [id]
identifiers: {email: mail}
freshness: 26h
"""
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def people(*numbers: int) -> str:
    return "id,mail\n" + "".join(f"{n},p{n}@x.example\n" for n in numbers)


def problems(
    shop: Shop, source: ExtractSource, now: datetime, **how: bool
) -> dict[str, str]:
    """Check → what it complains about."""
    result = shop.pull(source, **how)
    found = extract_checks(source, result, now)
    return {
        str(check.check_name): check.description or ""
        for check in found
        if not check.passed
    }


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def written(shop: Shop, content: str, moment: datetime) -> None:
    os.utime(shop.put("people.csv", content), (moment.timestamp(), moment.timestamp()))


def test_a_source_that_is_well_says_nothing(shop):
    source = shop.declare(PEOPLE)
    written(shop, people(*range(10)), NOW - timedelta(hours=25))
    assert problems(shop, source, NOW) == {}
    assert problems(shop, source, NOW) == {}


def test_a_file_that_was_not_renewed_is_late(shop):
    source = shop.declare(PEOPLE)
    written(shop, people(1), NOW - timedelta(hours=27))
    said = problems(shop, source, NOW)["is_fresh"]
    assert "its newest news are of 2026-01-30 09:00 UTC" in said
    assert "sources/people.yml allows 1 day, 2:00:00" in said
    assert "Ask crm-team" in said


def test_rows_say_how_old_a_source_is_where_the_declaration_asks_them(shop):
    declared = PEOPLE.replace("26h", "{within: 2d, by: row}") + "observed_at: seen\n"
    written(shop, "id,mail,seen\n1,a@x.example,2026-01-28\n", NOW)
    late = problems(shop, shop.declare(declared), NOW)["is_fresh"]
    assert "2026-01-28 00:00 UTC" in late


def test_ad_metrics_are_as_old_as_the_end_of_their_newest_day(shop):
    ads = """
kind: marketing
description: Ads.
owner: marketing-team
extract: {files: ads.csv, format: csv}
row_key: [day]
platform: other
metric_date: day
freshness: {within: 36h, by: row}
"""
    source = shop.declare(ads, "ads")
    shop.put("ads.csv", "day\n2026-01-29\n2026-01-30\n")
    assert problems(shop, source, NOW) == {}
    assert "is_fresh" in problems(shop, source, NOW + timedelta(hours=30))


def test_an_extract_that_is_empty_or_absent_says_so(shop):
    source = shop.declare(PEOPLE)
    assert "No rows were read" in problems(shop, source, NOW)["has_rows"]
    written(shop, people(), NOW)
    assert "No rows were read" in problems(shop, source, NOW)["has_rows"]


@pytest.mark.parametrize("deletes", ["", "deletes: missing\n"])
def test_a_source_that_lost_half_of_its_rows_says_so_until_somebody_accepts_it(
    shop, deletes
):
    source = shop.declare(PEOPLE + deletes)
    written(shop, people(*range(40)), NOW)
    assert problems(shop, source, NOW) == {}
    written(shop, people(*range(18)), NOW)
    for _ in range(2):
        said = problems(shop, source, NOW)["has_rows"]
        assert "python -m ingestion.connectors --accept people" in said
        assert ("22 of 40" if deletes else "18 rows where it held 40") in said
    assert shop.landed("profiles")[-1]["op"] == "upsert"

    assert problems(shop, source, NOW, trusted=True) == {}
    assert problems(shop, source, NOW) == {}
    gone = [row for row in shop.landed("profiles") if row["op"] == "delete"]
    assert len(gone) == (22 if deletes else 0)


def test_an_extract_that_cannot_be_read_fails_its_checks_and_not_the_run(tmp_path):
    home = Settings(home=tmp_path / "home", sources_dir=tmp_path / "sources")
    home.sources_dir.mkdir()
    declared = PEOPLE.replace("{files: people.csv, format: csv}", UNREACHABLE)
    (home.sources_dir / "people.yml").write_text(f"source_id: people\n{declared}")
    (source,) = load_sources(home.sources_dir)
    assert isinstance(source, ExtractSource)
    run = dg.materialize([pulled(source)], resources={"platform": platform(home)})
    checks = run.get_asset_check_evaluations()
    assert {check.check_name for check in checks} == {"has_rows", "is_fresh"}
    for check in checks:
        assert not check.passed
        assert "set SHOP_DB in the environment" in str(check.description)


UNREACHABLE = '{connector: sql, url: "${SHOP_DB}", table: people}'


def test_an_event_source_may_say_how_long_it_is_silent():
    last, now = datetime(2026, 1, 31, 10), datetime(2026, 1, 31, 12)
    assert alive("shop", last, now, timedelta(hours=3)).passed
    silent = alive("shop", last, now, timedelta(hours=1))
    assert "silent since 2026-01-31 10:00 UTC" in str(silent.description)
