"""The code location `realtime`: the relay pair. Light on purpose: it imports no dbt and never opens the warehouse.

Two sensors from one factory. A tick is a loop of less than a minute; the one that holds the lock relays, the other
stands by and takes over when the tick ends. What a step does is orchestration/relay.
"""

import fcntl
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ingestion.logs import about, keep_lines
from ingestion.settings import Settings, settings
from orchestration.destinations.summary import DeliverySummary
from orchestration.journeys import load_journeys
from orchestration.relay.copy import CopyTooOldError
from orchestration.relay.pulse import Pulse
from orchestration.relay.relay import Looked, Relay

log = logging.getLogger(__name__)

# A tick that takes a minute counts as failed and goes on beside the next one. Valid: 5 to 55.
TICK_SECONDS = 50.0
# How soon a landed event is seen. Valid: 0.01 to 1.
POLL_SECONDS = 0.1

_relays: dict[Path, Relay] = {}


def relay_sensor(name: str) -> dg.SensorDefinition:
    """One of the pair."""

    @dg.sensor(
        name=name,
        minimum_interval_seconds=1,
        description=(
            "Relays triggers to the journeys that listen to them, within seconds, also while a refresh runs. Turn on "
            "both of the pair: one works, the other stands by. Whatever they leave, the next refresh decides."
        ),
    )
    def relaying(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        keep_lines(settings())
        done = list(relayed(settings(), TICK_SECONDS))
        if not done:
            return dg.SkipReason("Nothing came, or the other one of the pair was here.")
        told = [summary for looked in done for summary in looked.deliveries]
        decided = sum(len(looked.outcomes) for looked in done)
        context.log.info(f"{decided} decided; {', '.join(s.sentence() for s in told)}")
        return dg.SensorResult(asset_events=[_materialized(s) for s in told])

    return relaying


def relayed(home: Settings, seconds: float) -> Iterator[Looked]:
    """Wait for the lead and keep it, for so many seconds altogether; whatever was done meanwhile."""
    ends_at, pulse = time.monotonic() + seconds, Pulse(home)
    with _lead(home, ends_at) as is_leader:
        while is_leader and time.monotonic() < ends_at:
            try:
                looked = _relay(home).step()
            except CopyTooOldError:
                return
            pulse.beat()
            if looked:
                _log(looked)
                yield looked
            else:
                time.sleep(POLL_SECONDS)


def _log(looked: Looked) -> None:
    for journey, count in Counter(name for name, _ in looked.outcomes).items():
        log.info("decided", extra=about(journey=journey, decided=count))
    for summary in looked.deliveries:
        log.info("relayed", extra=about(**summary.numbers()))


def _relay(home: Settings) -> Relay:
    """What was heard is kept from tick to tick."""
    if home.home not in _relays:
        _relays[home.home] = Relay(home)
    return _relays[home.home]


@contextmanager
def _lead(home: Settings, until: float) -> Iterator[bool]:
    folder = home.home.resolve() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / "relay.lock", os.O_CREAT | os.O_RDWR)
    try:
        yield _locked(fd, until)
    finally:
        os.close(fd)


def _locked(fd: int, until: float) -> bool:
    while time.monotonic() < until:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        else:
            return True
    return False


def _materialized(summary: DeliverySummary) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        _key(summary.sync_name), metadata={"summary": summary.sentence()}
    )


def _key(journey: str) -> dg.AssetKey:
    return dg.AssetKey(["relayed", journey])


@dg.definitions
def realtime() -> dg.Definitions:
    specs = [
        dg.AssetSpec(
            _key(journey.name),
            group_name="relayed",
            description=f"{journey.description} Told within seconds of the trigger {journey.entry.name}.",
            kinds={journey.destination},
            owners=["team:marketing"],
        )
        for journey in load_journeys(settings())
        if journey.entry.kind == "trigger"
    ]
    return dg.Definitions(
        assets=specs,
        sensors=[relay_sensor("relay_one"), relay_sensor("relay_two")],
    )
