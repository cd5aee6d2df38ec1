"""Seeds that others maintain are what their lists say, and writing them anew keeps the house's own rows."""

import csv
from pathlib import Path

import pytest

from orchestration.reference_lists import (
    CRAWLER_COLUMNS,
    CRAWLERS,
    SOURCE_COLUMNS,
    crawlers,
    plain_text,
    sources,
    write,
)
from tests.conftest import ROOT

SEEDS = ROOT / "dbt_project/seeds"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("Googlebot", "Googlebot"),
        ("Googlebot\\/", "Googlebot/"),
        ("Y!J", "Y!J"),
        ("^curl", None),
        ("[wW]get", None),
        ("a\\d", None),
        ("a.b", None),
        ("ends\\", None),
    ],
)
def test_a_pattern_is_plain_text_when_it_stands_for_one(
    pattern: str, text: str | None
) -> None:
    assert plain_text(pattern) == text


def test_the_seed_of_crawlers_is_the_installed_list_and_the_own_rows(
    tmp_path: Path,
) -> None:
    copy = tmp_path / CRAWLERS
    copy.write_bytes((SEEDS / CRAWLERS).read_bytes())
    write(copy, CRAWLER_COLUMNS, crawlers())
    assert copy.read_bytes() == (SEEDS / CRAWLERS).read_bytes()
    assert any(row["list"] == "own" for row in rows(copy))


def test_own_rows_stay_and_the_first_list_is_believed(tmp_path: Path) -> None:
    texts = {
        "google": "source,source_category\nFB,SOURCE_CATEGORY_SOCIAL\nbing,SOURCE_CATEGORY_SEARCH\n",
        "search": "Bing:\n  -\n    urls: ['bing.{}', 'www.bing.com', 'bing.com/maps']\n",
        "social": "Facebook:\n  - facebook.com\nOurs:\n  - ours.example\n",
        "assistants": "Claude:\n  - claude.ai\n",
    }
    paths = {name: tmp_path / name for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text)
    seed = tmp_path / "seed.csv"
    seed.write_text("source,name,category,list\nours.example,ours,ignored,own\n")
    write(seed, SOURCE_COLUMNS, sources(**paths))
    assert [tuple(row.values()) for row in rows(seed)] == [
        ("ours.example", "ours", "ignored", "own"),
        ("bing", "bing", "search", "google"),
        ("bing.*", "bing", "search", "matomo"),
        ("bing.com", "bing", "search", "matomo"),
        ("claude.ai", "claude", "ai", "matomo"),
        ("facebook.com", "facebook", "social", "matomo"),
        ("fb", "fb", "social", "google"),
    ]
