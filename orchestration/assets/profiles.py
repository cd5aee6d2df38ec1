"""Pages about people, written from the read copy: for looking at, linked from the Dagster UI, part of no other asset.

What a page shows is orchestration.profile's business. The folder holds personal data like the read copy beside it.
"""

import shutil
from pathlib import Path

import dagster as dg
import duckdb
from pydantic import Field

from ingestion.settings import Settings
from orchestration.assets.layers import PUBLISHED
from orchestration.identity.finding import NotFoundError
from orchestration.profile.page import page
from orchestration.profile.reading import newest, person, profile_of
from orchestration.resources import Platform
from orchestration.warehouse.schema import StaysOnCluster, read_copy

PAGES = dg.AssetKey(["published", "profile_pages"])


class Pages(dg.Config):
    """Whose pages are written."""

    identifiers: list[str] = Field(
        default=[],
        description="People asked for: type:value, a value alone, or any profile id they ever had.",
    )
    newest: int = Field(
        default=5, ge=0, le=200, description="Besides, those who were seen last."
    )


def profile_pages() -> dg.AssetsDefinition:
    @dg.asset(
        key=PAGES,
        deps=[PUBLISHED],
        group_name="published",
        kinds={"file"},
        description=(
            "A page for each person asked for, and for those seen last: identity, timeline, traits, consent, audiences. "
            "Materialize with `identifiers` in the launchpad to see somebody of your choice; the links are in the "
            "metadata. Pages of an earlier run are removed. If it fails: the message names what is missing."
        ),
    )
    def pages(
        context: dg.AssetExecutionContext, platform: Platform, config: Pages
    ) -> dg.MaterializeResult[None]:
        try:
            written, unknown = write_pages(
                platform.settings, config.identifiers, config.newest
            )
        except StaysOnCluster as error:
            context.log.warning(f"No pages: {error}")
            return dg.MaterializeResult(metadata={"pages": str(error), "written": 0})
        for sentence in unknown:
            context.log.warning(sentence)
        links = "\n".join(f"- [{name}]({path.as_uri()})" for name, path in written)
        return dg.MaterializeResult(
            metadata={
                "pages": dg.MetadataValue.md(links or "Nobody yet."),
                "folder": dg.MetadataValue.path(folder_of(platform.settings)),
                "written": len(written),
                "not_found": unknown,
            }
        )

    return pages


def folder_of(settings: Settings) -> Path:
    return settings.published.parent / "profiles"


def write_pages(
    settings: Settings, identifiers: list[str], count: int
) -> tuple[list[tuple[str, Path]], list[str]]:
    """The pages written, by profile id, and a sentence for each identifier that nobody has."""
    folder = folder_of(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written, unknown = [], []
    with read_copy(settings.published) as connection:
        asked = []
        for identifier in identifiers:
            try:
                asked.append(profile_of(connection, identifier))
            except NotFoundError as error:
                unknown.append(str(error))
        for profile_id in dict.fromkeys([*asked, *newest(connection, count)]):
            written.append((profile_id, _write(connection, folder, profile_id)))
    return written, unknown


def _write(
    connection: duckdb.DuckDBPyConnection, folder: Path, profile_id: str
) -> Path:
    path = folder / f"{profile_id}.html"
    path.write_text(page(person(connection, profile_id)), encoding="utf-8")
    return path
