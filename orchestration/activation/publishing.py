"""Bringing one sync's destination to the state that its published plan wants."""

from dataclasses import replace
from datetime import UTC, datetime

from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from orchestration.activation.plans import of_account, read_plan
from orchestration.destinations.base import Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.register import declared_names, load_destinations
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.syncs import check_destinations, load_syncs
from orchestration.destinations.waiting import account_of
from orchestration.journeys import journey_syncs
from orchestration.journeys.last_word import may_go_out
from orchestration.privacy.pending import still_allowed


class PlanChanged(Exception):  # noqa: N818 - says what happened
    """The plan is not the one that was looked at."""


def declared_syncs(settings: Settings) -> list[Sync]:
    """The syncs of the seed, then those that journeys are. Raises SyncsInvalid, JourneyError, DestinationsInvalid."""
    seed = settings.dbt_project_dir / "seeds" / "syncs.csv"
    syncs = load_syncs(seed)
    if syncs:
        known = declared_names(settings.destinations_file)
        check_destinations(syncs, known)
    return [*syncs, *journey_syncs(settings)]


def send(
    sync: Sync,
    settings: Settings,
    expected: str | None = None,
    despite_pause: bool = False,
) -> DeliverySummary:
    """Deliver the published plan of one sync. A sync with nothing to send needs no destination.

    With `expected`, the hash of a plan that somebody looked at: raises PlanChanged when it is another one by now.
    """
    plan = read_plan(settings.published, sync.sync_name)
    if expected is not None and plan.hash != expected:
        raise PlanChanged(
            f"The plan of {sync.sync_name} has changed since: it was {expected[:12]}, now it is {plan.hash[:12]}. "
            f"Look at it again: python -m orchestration.activation plan {sync.sync_name}"
        )
    plan = replace(plan, changes=still_allowed(plan.changes, sync, settings))
    if sync.mode == "events":
        now = datetime.now(UTC).replace(tzinfo=None)
        plan = replace(plan, changes=may_go_out(plan.changes, settings, now))
    if plan.is_empty:
        return DeliverySummary(sync.sync_name, planned=0)
    name = sync.destination
    destination = load_destinations(
        settings.destinations_file, [name], settings.outbox
    )[name]
    plan = of_account(settings.published, plan, account_of(destination))
    try:
        with LandingWriter(settings.landing) as writer:
            return deliver(
                sync,
                destination,
                plan.changes,
                writer,
                settings.landing,
                plan.loaded_segments,
                known=plan.known,
                despite_pause=despite_pause,
            )
    finally:
        destination.close()
