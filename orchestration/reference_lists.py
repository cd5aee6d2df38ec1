"""The seeds that other people maintain, written anew from their lists: crawlers, and the sites that visitors come from.

`python -m orchestration.reference_lists crawlers` reads the installed package crawler-user-agents; `sources` reads
files that were downloaded before: Google's table of source categories and Matomo's lists. Rows whose list is `own`
are the house's and stay. Nothing here talks to a network.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ingestion.settings import settings

OWN = "own"
CRAWLERS, SOURCES = "crawler_user_agents.csv", "traffic_sources.csv"
CRAWLER_COLUMNS = ("pattern", "is_literal", "is_bot", "list", "reason")
SOURCE_COLUMNS = ("source", "name", "category", "list")
GOOGLE_CATEGORIES = {
    "SOURCE_CATEGORY_SEARCH": "search",
    "SOURCE_CATEGORY_SHOPPING": "shopping",
    "SOURCE_CATEGORY_SOCIAL": "social",
    "SOURCE_CATEGORY_VIDEO": "video",
}
# Characters that mean something in a regular expression; a pattern without them is compared as plain text.
SPECIAL = frozenset(".^$*+?{}[]|()\\")

Row = dict[str, str]


def crawlers() -> Iterator[Row]:
    """The patterns of the installed package, the plain ones as plain text."""
    package = files("crawleruseragents")
    listed = json.loads(package.joinpath("crawler-user-agents.json").read_text("utf-8"))
    for crawler in listed:
        plain = plain_text(crawler["pattern"])
        yield {
            "pattern": crawler["pattern"] if plain is None else plain,
            "is_literal": str(plain is not None).lower(),
            "is_bot": "true",
            "list": f"crawler-user-agents {version('crawler-user-agents')}",
            "reason": "",
        }


def plain_text(pattern: str) -> str | None:
    """The text that a regular expression stands for; None when it stands for more than one."""
    text, escaped = "", False
    for character in pattern:
        if escaped:
            if character.isalnum():
                return None
            text, escaped = text + character, False
        elif character == "\\":
            escaped = True
        elif character in SPECIAL:
            return None
        else:
            text += character
    return None if escaped else text


def sources(
    google: Path, search: Path, social: Path, assistants: Path
) -> Iterator[Row]:
    """Google's categories first: where two lists name the same site, the first is believed."""
    with google.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            category = GOOGLE_CATEGORIES[row["source_category"]]
            name = row["source"].strip().lower()
            yield {"source": name, "name": name, "category": category, "list": "google"}
    for path, category in (
        (assistants, "ai"),
        (search, "search"),
        (social, "social"),
    ):
        for name, sites in yaml.safe_load(path.read_text("utf-8")).items():
            for site in _matomo_sites(sites):
                yield {
                    "source": site,
                    "name": str(name).lower(),
                    "category": category,
                    "list": "matomo",
                }


def _matomo_sites(listed: Sequence[Any]) -> Iterator[str]:
    """Sites without a path; `{}` stands for any top-level domain and is written `*` here."""
    for item in listed:
        for site in item["urls"] if isinstance(item, dict) else [item]:
            if "/" not in site:
                yield site.lower().removeprefix("www.").replace("{}", "*")


def write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Write a seed: the house's own rows as they are, then the others without repetitions. Returns how many."""
    key = columns[0]
    kept: dict[str, Row] = {}
    for row in [*_own(path), *rows]:
        kept.setdefault(row[key], row)
    own = [row for row in kept.values() if row["list"] == OWN]
    listed = [row for row in kept.values() if row["list"] != OWN]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*own, *sorted(listed, key=lambda row: row[key])])
    return len(kept)


def _own(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["list"] == OWN]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.reference_lists", description=__doc__
    )
    parser.add_argument("--seeds", type=Path, help="folder of the seeds")
    lists = parser.add_subparsers(dest="list", required=True)
    lists.add_parser("crawlers", help="from the installed package")
    sites = lists.add_parser("sources", help="from downloaded files")
    for name in ("google", "search", "social", "assistants"):
        sites.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.seeds or settings().dbt_project_dir / "seeds"
    if arguments.list == "crawlers":
        rows = write(folder / CRAWLERS, CRAWLER_COLUMNS, crawlers())
    else:
        rows = write(
            folder / SOURCES,
            SOURCE_COLUMNS,
            sources(
                arguments.google,
                arguments.search,
                arguments.social,
                arguments.assistants,
            ),
        )
    print(f"{rows} rows")


if __name__ == "__main__":
    main()
