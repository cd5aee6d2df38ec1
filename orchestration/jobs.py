"""The jobs: everything, everything up to the read copy, publishing alone; and asserting again. When they run: schedules.py, sensors.py."""

import dagster as dg

from orchestration.activation.publishing import declared_syncs
from orchestration.activation.settling import REPEATABLE, resync
from orchestration.resources import Platform

# Event sources push, so nothing materializes them; their checks are asked for by name.
EVERYTHING = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
PUBLISHING = dg.AssetSelection.groups("publish")

daily_refresh = dg.define_asset_job(
    "daily_refresh",
    selection=EVERYTHING,
    executor_def=dg.in_process_executor,
    description=(
        "Everything: pull the extracts, load what was landed, build every model, land our own facts, publish the "
        "read copy, bring every destination up to date. If it fails, remove the cause the failed step names and run "
        "it again: finished work is recognised and not done twice."
    ),
)
refresh = dg.define_asset_job(
    "refresh",
    selection=EVERYTHING - PUBLISHING,
    executor_def=dg.in_process_executor,
    description="Everything but publishing: from the extracts to the read copy.",
)
publish = dg.define_asset_job(
    "publish",
    selection=PUBLISHING,
    executor_def=dg.in_process_executor,
    description="Bring every destination to the state that the read copy wants.",
)


@dg.op(
    description="Lands a resync of every active sync that keeps a state at its destination."
)
def land_resyncs(platform: Platform) -> None:
    settings = platform.settings
    for sync in declared_syncs(settings):
        if sync.state == "active" and sync.mode in REPEATABLE:
            resync(sync, settings, "schedule: every week")


@dg.job(
    description=(
        "Takes back what is believed to be at the destinations; the next refresh plans to assert it again, and to "
        "remove again whoever may have come back. So destinations that forget, and requests that arrive late, are healed."
    ),
    executor_def=dg.in_process_executor,
)
def reassert() -> None:
    land_resyncs()


JOBS = {job.name: job for job in (daily_refresh, refresh, publish)}


def refresh_config(as_of: str) -> dict[str, object]:
    """Run configuration of `daily_refresh` and `refresh` for one logical time."""
    config = {"config": {"as_of": as_of}}
    return {"ops": {"dbt_build": config, "land_facts": config}}
