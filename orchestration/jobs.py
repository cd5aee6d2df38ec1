"""The three jobs: everything, everything up to the read copy, and publishing alone. When they run: schedules.py, sensors.py."""

import dagster as dg

EVERYTHING = dg.AssetSelection.all()
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

JOBS = {job.name: job for job in (daily_refresh, refresh, publish)}


def refresh_config(as_of: str) -> dict[str, object]:
    """Run configuration of `daily_refresh` and `refresh` for one logical time."""
    config = {"config": {"as_of": as_of}}
    return {"ops": {"dbt_build": config, "land_facts": config}}
