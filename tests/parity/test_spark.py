"""Spark itself: a driver and two executors, each a process. Minutes of Java, so it is a proof and not part of CI."""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from ingestion.settings import Settings
from orchestration.cluster.loopback import SHORT_LIVED, loopback
from simulator.bulk import write_segments
from tests import acceptance_data
from tests.conftest import ROOT
from tests.end_to_end.platform import Platform
from tests.parity import landings
from tests.parity.twins import Twins

pytestmark = [pytest.mark.prove, pytest.mark.spark, pytest.mark.timeout(3 * 3600)]

MASTER = "local-cluster[2,1,1024]"
EVENTS = 100_000

Batch = Callable[[], None]


@pytest.fixture(autouse=True)
def _for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*SHORT_LIVED)


def on_both(
    folder: Path,
    home: Settings,
    as_of: datetime,
    *batches: Batch,
    killed_at: Sequence[str] = (),
) -> list[str]:
    """What differs after each batch has been landed and computed on Spark, and all of them at once in the file.

    With `killed_at`, runs over the last batch are killed first, each while one of these tables is replaced.
    """
    with loopback(folder / "cluster", MASTER) as running:
        changes = {"target": "spark", "spark_remote": running.remote}
        twins = Twins(home, home.model_copy(update=changes), as_of)
        for land in batches:
            land()
            for table in killed_at if land is batches[-1] else ():
                twins.die_there(table)
            twins.build_there()
        twins.build_here()
        return twins.differences()


# One whose marks say how far it has read, and one that has none and is never built anew.
REPLACED = ("staging.int_distinct_events", "identity.int_set_profiles")


def test_the_cast_and_a_shop_in_two_batches_and_with_kills_are_the_same_on_spark(
    tmp_path: Path,
) -> None:
    home = Settings(home=tmp_path / "home", sources_dir=ROOT / "sources")
    in_time, late = landings.batches()

    def first() -> None:
        landings.receive(home, in_time)

    def second() -> None:
        landings.receive(home, late)
        landings.pull_extracts(home)

    found = on_both(tmp_path, home, landings.AS_OF, first, second, killed_at=REPLACED)
    assert found == []


def test_a_larger_shop_is_the_same_on_spark(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / "home", sources_dir=ROOT / "sources")

    def land() -> None:
        write_segments(home.landing, EVENTS)

    assert on_both(tmp_path, home, landings.AS_OF, land) == []


@pytest.mark.acceptance
def test_data_that_nobody_here_wrote_are_the_same_on_spark(
    tmp_path: Path, acceptance_dir: Path
) -> None:
    sources = ROOT / "tests/data/acceptance_sources"
    shop = Platform(tmp_path, sources, ROOT / "destinations.yml")
    home = Settings(home=shop.home, sources_dir=sources, extracts_dir=shop.extracts)

    def land() -> None:
        shop.extracts.mkdir(parents=True)
        for name in ("raw_customers.csv", "raw_payments.csv"):
            shutil.copy(acceptance_dir / "4-orders-jaffle" / name, shop.extracts)
        shop.add_key("ecom_web", "ecom-key", "integration")
        shop.add_key("jaffle_backend", "jaffle-key", "integration")
        shop.send(acceptance_data.ecom_calls(acceptance_dir), "ecom-key")
        shop.send(acceptance_data.jaffle_order_calls(acceptance_dir), "jaffle-key")
        landings.pull_all(home)

    assert on_both(tmp_path, home, datetime(2024, 12, 31), land) == []
