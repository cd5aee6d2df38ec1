"""Bringing one sync's destination to the state that its published plan wants."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.contracts.strict_yaml import read_yaml
from ingestion.landing import LandingWriter
from ingestion.logs import about
from ingestion.settings import Settings
from orchestration.activation.plans import of_account, read_plan
from orchestration.destinations.base import Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.possible import check_place
from orchestration.destinations.register import (
    DestinationsInvalid,
    declared_names,
    load_destinations,
)
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.syncs import (
    check_destinations,
    check_recipients,
    load_syncs,
)
from orchestration.destinations.waiting import account_of
from orchestration.journeys import journey_syncs
from orchestration.journeys.last_word import may_go_out
from orchestration.privacy.pending import still_allowed

log = logging.getLogger(__name__)


class PlanChanged(Exception):  # noqa: N818 - says what happened
    """The plan is not the one that was looked at."""


def declared_syncs(settings: Settings) -> list[Sync]:
    """The syncs of the seed, then those that journeys are. Raises SyncsInvalid, JourneyError, DestinationsInvalid."""
    seed = settings.dbt_project_dir / "seeds" / "syncs.csv"
    syncs = load_syncs(seed)
    if syncs:
        known = declared_names(settings.destinations_file)
        check_destinations(syncs, known)
        types = seed.with_name("identifier_types.csv")
        check_recipients(syncs, types, _given_types(settings.sources_dir))
    return [*syncs, *journey_syncs(settings)]


def _given_types(sources: Path) -> set[str]:
    """Identifiers that sources give, wherever in a declaration they say so."""
    found: set[str] = set()
    parts: list[Any] = [read_yaml(path) for path in sources.glob("*.yml")]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            identifiers = part.get("identifiers")
            found |= set(identifiers) if isinstance(identifiers, dict) else set()
            parts += part.values()
        elif isinstance(part, list):
            parts += part
    return found


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
    name, nothing = sync.destination, DeliverySummary(sync.sync_name, planned=0)
    try:
        destination = load_destinations(
            settings.destinations_file, [name], settings.outbox
        )[name]
    except DestinationsInvalid:
        if plan.is_empty:
            return nothing
        raise
    plan = of_account(settings.published, plan, account_of(destination))
    try:
        check_place(sync, account_of(destination), plan.known.accounts)
        if plan.is_empty:
            return nothing
        with LandingWriter(settings.landing) as writer:
            summary = deliver(
                sync,
                destination,
                plan.changes,
                writer,
                settings.landing,
                plan.loaded_segments,
                known=plan.known,
                despite_pause=despite_pause,
            )
            log.info("published", extra=about(**summary.numbers()))
            return summary
    finally:
        destination.close()
