"""What both engines are given: a landing zone that tells of the cast and of a small shop, in two batches."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from ingestion.collector import server
from ingestion.collector.keys import KeyStore
from ingestion.connectors import ExtractSource, pull
from ingestion.connectors.loading import load_sources
from ingestion.landing import LandingWriter
from ingestion.settings import Settings
from simulator.calls import Call
from simulator.cast import load_cast
from simulator.extracts import write_extracts
from simulator.sending import send
from simulator.world import Simulation, simulate
from tests.conftest import ROOT

CAST = load_cast(ROOT / "tests/data/cast.yml")
AS_OF: datetime = CAST.as_of


@cache
def shop() -> Simulation:
    """What the cast has nothing to say of: subscriptions, advertising, a catalogue."""
    return simulate(people=12, days=30, seed=11, as_of=AS_OF)


def batches() -> tuple[list[Call], list[Call]]:
    """Everybody's calls, each third of them late: the second batch happened between those of the first."""
    calls = sorted([*CAST.calls(), *shop().calls], key=lambda call: call.arrives_at)
    return [call for n, call in enumerate(calls) if n % 3], calls[::3]


def receive(home: Settings, calls: Sequence[Call]) -> None:
    """Through the collector, as senders do. What it refuses, it refuses for good."""
    store = KeyStore(home.home / "keys.json")
    sources = {call.source_id for call in calls}
    keys = {source: store.create(source, ("integration",))[0] for source in sources}
    with server.running(home.home) as url:
        send(calls, url, keys)


def pull_extracts(home: Settings) -> None:
    """What others hold of the shop, then of the cast as well."""
    for files in (shop().files, _with_cast()):
        write_extracts(home.extracts, files)
        pull_all(home)


def pull_all(home: Settings) -> None:
    """Every extract that is declared."""
    with LandingWriter(home.landing) as writer:
        for source in load_sources(home.sources_dir):
            if isinstance(source, ExtractSource):
                pull(source, writer, home.home, extracts=home.extracts)


def _with_cast() -> dict[str, bytes]:
    """The files with the cast's rows below; a header is not told twice."""
    files = dict(shop().files)
    for file, rows in CAST.files().items():
        files[file] += rows.partition(b"\n")[2] if file.endswith(".csv") else rows
    return files
