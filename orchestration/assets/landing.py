"""What comes in: one asset per declared source. Extracts are pulled here; event sources push to the collector.

How rows are read and compared is `ingestion.connectors`; what happens to landed records is warehouse.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from ingestion.connectors import (
    EventSource,
    ExtractError,
    ExtractSource,
    PullResult,
    Source,
    pull,
)
from ingestion.landing import LandingWriter
from orchestration.assets.layers import landing_key, owner
from orchestration.checks import extract_checks, extract_specs, unreadable_checks
from orchestration.resources import Platform

PULL_FAILED = (
    "If it fails: an extract that cannot be read fails its checks, which name the place and the remedy; the run and the "
    "other sources go on. Correct the extract (or its declaration in sources/) and materialize again; what was landed "
    "lands no second time."
)


def source_assets(sources: list[Source]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """An asset for each source: materializable when it is pulled, external when it pushes."""
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for source in sources:
        if isinstance(source, ExtractSource):
            assets.append(pulled(source))
        elif isinstance(source, EventSource):
            assets.append(pushed(source))
    return assets


def pushed(source: EventSource) -> dg.AssetSpec:
    """An event source: its events arrive through the collector, at any time."""
    return dg.AssetSpec(
        key=landing_key(source.source_id),
        group_name="landing",
        description=(
            f"{source.description}\n\nSends events to the collector with its own key. The loader reports here how "
            "many arrived. If nothing arrives: is the collector running, is the key valid "
            "(`python -m ingestion keys list`), what do raw/rejects say?"
        ),
        owners=[owner(source.owner)],
        kinds={"http"},
    )


def pulled(source: ExtractSource) -> dg.AssetsDefinition:
    """An extract: read, compared with what was landed before, and only what changed is landed."""
    key = landing_key(source.source_id)

    @dg.asset(
        key=key,
        group_name="landing",
        description=f"{source.description}\n\n{PULL_FAILED}",
        owners=[owner(source.owner)],
        kinds={source.extract.connector},
        check_specs=extract_specs(source),
    )
    def landed(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[None]]:
        settings = platform.settings
        try:
            with LandingWriter(settings.landing) as writer:
                result = pull(source, writer, settings.home, extracts=settings.extracts)
        except ExtractError as error:
            context.log.error("%s: %s", source.source_id, error)
            checks = list(unreadable_checks(source, str(error)))
            yield dg.MaterializeResult(check_results=checks)
            return
        context.log.info(
            "%s: %s read, %s landed", source.source_id, result.read, result.landed
        )
        checks = list(extract_checks(source, result, datetime.now(UTC)))
        yield dg.MaterializeResult(metadata=_metadata(result), check_results=checks)

    return landed


def _metadata(result: PullResult) -> dict[str, int]:
    return {
        "files": result.files,
        "read": result.read,
        "landed": result.landed,
        "unchanged": result.unchanged,
        "superseded": result.superseded,
        "deleted": result.deleted,
        "rejected": result.rejected,
        "dagster/row_count": result.rows,
    }
