"""Who is erased leaves the cluster, too: its tables are dropped, and built again from a landing zone that knows nobody of the name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingestion.settings import Settings
from orchestration.cluster.loopback import SHORT_LIVED, loopback
from orchestration.cluster.session import Cluster, cluster
from orchestration.privacy import places
from orchestration.privacy.carrying import carry_out
from orchestration.privacy.requests import land_request
from orchestration.privacy.subject import asked_about, subject_of
from orchestration.warehouse.facts import land_facts
from orchestration.warehouse.schema import read_copy
from tests.conftest import ROOT
from tests.integration.clusters import on_sail, sail
from tests.parity import landings
from tests.parity.twins import Twins

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3 * 3600)]


@pytest.fixture(params=["sail", pytest.param("spark", marks=pytest.mark.spark)])
def twins(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Twins]:
    home = Settings(home=tmp_path / "home", sources_dir=ROOT / "sources")
    if request.param == "sail":
        with sail(tmp_path) as endpoint:
            yield Twins(home, on_sail(home, endpoint), landings.AS_OF)
    else:
        monkeypatch.setenv(*SHORT_LIVED)
        with loopback(tmp_path / "cluster", "local[2]") as running:
            changes = {"target": "spark", "spark_remote": running.remote}
            yield Twins(home, home.model_copy(update=changes), landings.AS_OF)


def test_an_erased_person_is_nowhere_on_the_cluster_and_the_others_are_as_in_the_file(
    twins: Twins,
) -> None:
    home = twins.there
    landings.receive(twins.here, landings.CAST.calls())
    twins.refresh_there()
    land_facts(home, landings.AS_OF)
    with read_copy(home.published) as copy:
        theirs = subject_of(copy, [asked_about(copy, "mother@family.example")])
    with cluster(home) as connected:
        assert {"raw.events", "raw.events__kept", "identity.dim_identifiers"} <= set(
            holding(connected, theirs.values)
        )
    land_request(home, "erasure", theirs.named, "dpo", "letter of mother")
    assert carry_out(home).erased
    with cluster(home) as connected:
        assert list(relations(connected)) == []
    twins.refresh_there()
    home.warehouse.unlink()
    twins.build_here()
    assert twins.differences() == []
    with cluster(home) as connected:
        assert list(holding(connected, theirs.values)) == []
    (certificate,) = carry_out(home).certificates
    assert (certificate["open"], certificate["rows_after"]) == ([], {})
    assert places.search(home, theirs.values) == {}


def holding(connected: Cluster, values: Sequence[str]) -> Iterator[str]:
    """What holds one of the values in any of its rows."""
    for relation in relations(connected):
        rows = str(connected.session.table(relation).toArrow().to_pylist()).lower()
        if any(value.lower() in rows for value in values):
            yield relation


def relations(connected: Cluster) -> Iterator[str]:
    """Every table and view that there is."""
    for schema, *_ in connected.execute("show schemas").rows:
        for _, name, *_ in connected.execute(f"show tables in {schema}").rows:
            yield f"{schema}.{name}"
