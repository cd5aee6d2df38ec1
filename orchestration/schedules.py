"""What runs by the clock."""

from datetime import UTC

import dagster as dg

from orchestration.instance import bury_if_alone
from orchestration.jobs import daily_refresh, reassert, refresh_config
from orchestration.resources import Platform


@dg.schedule(
    cron_schedule="0 5 * * *",
    job=daily_refresh,
    execution_timezone="UTC",
    description=(
        "The whole job every morning, as of the scheduled minute. Off until a person turns it on, because it "
        "delivers people to destinations."
    ),
)
def every_morning(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> dg.RunRequest:
    bury_if_alone(platform.settings, context.instance)
    as_of = context.scheduled_execution_time.astimezone(UTC).replace(tzinfo=None)
    return dg.RunRequest(
        run_key=as_of.isoformat(), run_config=refresh_config(as_of.isoformat())
    )


@dg.schedule(
    cron_schedule="0 4 * * 0",
    job=reassert,
    execution_timezone="UTC",
    description="Every Sunday before the daily run, everything is asserted again. Off until a person turns it on.",
)
def every_sunday(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> dg.RunRequest:
    bury_if_alone(platform.settings, context.instance)
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


SCHEDULES = [every_morning, every_sunday]
