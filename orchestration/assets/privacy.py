"""What people ask about their data, carried out by the clock: two jobs that rewrite the landing zone, and their schedules.

No assets: what they leave behind is less. How it is done is orchestration.privacy; the deadline is watched by the data test
`privacy_requests_are_answered_in_time`.
"""

from datetime import UTC, datetime

import dagster as dg

from orchestration.instance import POOL
from orchestration.privacy.carrying import carry_out, retain
from orchestration.privacy.inventory import load_inventory, retention
from orchestration.resources import Platform


@dg.op(
    pool=POOL,
    description="Archives for access, tombstones and rewriting for erasure; whoever is still at a destination waits.",
)
def carry_out_requests(context: dg.OpExecutionContext, platform: Platform) -> None:
    carried = carry_out(platform.settings)
    context.log.info(
        f"{len(carried.access)} archives, {len(carried.suppressed)} suppressed, {len(carried.erased)} erased, "
        f"{len(carried.waiting)} wait for destinations, {len(carried.certificates)} certificates"
    )


@dg.op(
    pool=POOL,
    description="Takes out what is past its time by the inventory, by the same rewriting as an erasure.",
)
def let_age(context: dg.OpExecutionContext, platform: Platform) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    rewritten = retain(platform.settings, retention(load_inventory()), now)
    context.log.info(f"{len(rewritten)} segments rewritten")


@dg.job(
    description=(
        "Carries out what people asked for, as far as can be now. It forgets the warehouse when somebody was erased, and "
        "the next refresh builds it; the run after that lands the certificate. If it fails: run it again, nothing is half done."
    ),
    executor_def=dg.in_process_executor,
)
def privacy() -> None:
    carry_out_requests()


@dg.job(
    description=(
        "Takes out what is past its time. It forgets the warehouse when anything went, and the next refresh builds it."
    ),
    executor_def=dg.in_process_executor,
)
def aging() -> None:
    let_age()


PRIVACY_JOBS = [privacy, aging]
PRIVACY_SCHEDULES = [
    dg.ScheduleDefinition(
        name="every_night",
        job=privacy,
        cron_schedule="0 3 * * *",
        execution_timezone="UTC",
        description="Before the daily run, which builds the warehouse that an erasure forgot. Off until a person turns it on.",
    ),
    dg.ScheduleDefinition(
        name="every_month",
        job=aging,
        cron_schedule="30 3 1 * *",
        execution_timezone="UTC",
        description="Once a month, because what follows is a warehouse built anew. Off until a person turns it on.",
    ),
]
