"""Table of contents of the code location `batch`: which assets, checks, jobs, schedules and sensors exist."""

import dagster as dg

from ingestion.connectors import load_sources
from ingestion.settings import settings
from orchestration.activation.publishing import declared_syncs
from orchestration.assets.activation import publish_asset
from orchestration.assets.landing import source_assets
from orchestration.assets.layers import with_defaults
from orchestration.assets.privacy import PRIVACY_JOBS, PRIVACY_SCHEDULES
from orchestration.assets.profiles import profile_pages
from orchestration.assets.quality import quality_pages
from orchestration.assets.warehouse import (
    dbt_models,
    fact_assets,
    published_copy,
    raw_assets,
)
from orchestration.checks import source_checks
from orchestration.jobs import JOBS, reassert
from orchestration.quality.checks import quality_checks
from orchestration.resources import dbt_cli, dbt_project, platform
from orchestration.schedules import SCHEDULES
from orchestration.sensors import SENSORS


@dg.definitions
def batch() -> dg.Definitions:
    configured = settings()
    sources = load_sources(configured.sources_dir)
    project = dbt_project(configured)
    models = dbt_models(project)
    assets = [
        *source_assets(sources),
        raw_assets(sources, configured.target),
        models,
        fact_assets(),
        published_copy(models),
        profile_pages(),
        quality_pages(),
        *(publish_asset(sync) for sync in declared_syncs(configured)),
    ]
    return dg.Definitions(
        assets=[*dg.map_asset_specs(with_defaults, assets)],
        asset_checks=[*source_checks(sources), quality_checks()],
        jobs=[*JOBS.values(), reassert, *PRIVACY_JOBS],
        schedules=[*SCHEDULES, *PRIVACY_SCHEDULES],
        sensors=SENSORS,
        resources={"platform": platform(configured), "dbt": dbt_cli(project)},
    )
