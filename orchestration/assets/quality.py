"""The pages about sources, data quality and the last events, written from the read copy and linked from the UI.

What they show is orchestration.quality's business. The event log holds personal data, like the read copy beside it.
"""

from pathlib import Path

import dagster as dg

from ingestion.connectors import load_sources
from ingestion.settings import Settings
from orchestration.assets.layers import PUBLISHED
from orchestration.event_log.reading import last
from orchestration.quality import reading
from orchestration.quality.findings import read_findings
from orchestration.quality.pages import PAGES, events_page, quality_page, sources_page
from orchestration.resources import Platform
from orchestration.warehouse.schema import StaysOnCluster, read_copy

ENTRIES = 200


def quality_pages() -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["published", "quality_pages"]),
        deps=[PUBLISHED],
        group_name="published",
        kinds={"file"},
        description=(
            "Three pages: the source catalogue (owner, contract, freshness, volume, rejects, last seen), data quality (what "
            "is not as it was, and everything it is judged by) and the event log; the links are in the metadata. "
            "If it fails: the message names what is missing; refresh first."
        ),
    )
    def pages(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> dg.MaterializeResult[None]:
        try:
            written, findings = write_pages(platform.settings)
        except StaysOnCluster as error:
            context.log.warning(f"No pages: {error}")
            return dg.MaterializeResult(metadata={"pages": str(error)})
        links = "\n".join(
            f"- [{PAGES[path.name]}]({path.as_uri()})" for path in written
        )
        return dg.MaterializeResult(
            metadata={"pages": dg.MetadataValue.md(links), "findings": findings}
        )

    return pages


def write_pages(settings: Settings) -> tuple[list[Path], int]:
    """The files, and how many findings they show."""
    folder = settings.published.parent / "quality"
    folder.mkdir(parents=True, exist_ok=True)
    sources = load_sources(settings.sources_dir)
    with read_copy(settings.published) as connection:
        findings = read_findings(connection)
        made = {
            "sources.html": sources_page(reading.catalogue(connection, sources)),
            "quality.html": quality_page(
                findings,
                reading.volumes(connection),
                reading.happened(connection),
                reading.rates(connection),
                reading.coverage(connection),
                reading.counts(connection),
                reading.funnel(connection),
            ),
            "events.html": events_page(last(connection, settings, ENTRIES)),
        }
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in made], len(findings)
