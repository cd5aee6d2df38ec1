"""The same project on Spark, table for table. Sail speaks for Spark here; Spark itself is in test_spark.py."""

from collections.abc import Iterator

import pytest

from ingestion.settings import Settings
from tests.conftest import ROOT
from tests.integration.clusters import on_sail, sail
from tests.parity import landings
from tests.parity.twins import Twins

# One whose marks say how far it has read, and one that has none and is never built anew.
TORN = ("staging.int_distinct_events", "identity.int_set_profiles")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """The cast: in two batches on Sail, the second with what was late and after a kill; at once in the file."""
    folder = tmp_path_factory.mktemp("parity")
    home = Settings(home=folder / "home", sources_dir=ROOT / "sources")
    in_time, late = landings.batches()
    with sail(folder) as endpoint:
        made = Twins(home, on_sail(home, endpoint), landings.AS_OF)
        landings.receive(home, in_time)
        made.build_there()
        landings.receive(home, late)
        landings.pull_extracts(home)
        for table in TORN:
            made.tear_there(table)
        made.build_there()
        made.build_here()
        yield made


def test_every_public_table_is_the_same_on_both_engines(twins: Twins) -> None:
    assert twins.differences() == []
    with twins.file() as connection:
        (events,) = connection.execute(
            "select count(*) from staging.fct_events"
        ).fetchall()
        assert events > (100,)
