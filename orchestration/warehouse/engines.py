"""Which engine holds the warehouse (MILLRACE_TARGET), for whoever loads it, asks its books or reads what it computed.

With a cluster, the file `settings.warehouse` is what came home from it. Its modules are imported when it is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.settings import Settings
from orchestration.warehouse import ledger, loading
from orchestration.warehouse.loading import LoadResult
from orchestration.warehouse.schema import read_copy, warehouse

OWNERS = "identity.int_record_profiles"


def load(settings: Settings) -> LoadResult:
    """Load what the ledger does not know yet. Running it again loads nothing."""
    if settings.is_on_cluster:
        from orchestration.cluster.loading import load as load_on_cluster

        return load_on_cluster(settings)
    return loading.load(settings)


def books(settings: Settings) -> tuple[dict[str, int], list[str]]:
    """The rows of every raw table, and what does not add up."""
    if settings.is_on_cluster:
        from orchestration.cluster.session import cluster

        with cluster(settings) as connected:
            return ledger.rows_in_raw(connected), ledger.unbalanced(connected)
    with warehouse(settings.warehouse) as connection:
        return ledger.rows_in_raw(connection), ledger.unbalanced(connection)


@contextmanager
def landed(settings: Settings) -> Iterator[ledger.Connection]:
    """For questions about all of raw: the read copy, or the cluster that has it."""
    if settings.is_on_cluster:
        from orchestration.cluster.session import cluster

        with cluster(settings) as connected:
            yield connected
    else:
        with read_copy(settings.published) as connection:
            yield connection


def distinct_events(settings: Settings) -> int:
    """Events, each counted once however often it was received; none before the first refresh."""
    if settings.is_on_cluster:
        from orchestration.cluster.session import cluster

        with cluster(settings) as connected:
            is_there = connected.has("raw.events")
            return ledger.distinct_events(connected) if is_there else 0
    if not settings.published.exists():
        return 0
    with read_copy(settings.published) as connection:
        return ledger.distinct_events(connection)


def raw_at_hand(settings: Settings) -> None:
    """Have every landed record in the file, and whose it is as far as anybody knows: what an erasure looks through."""
    if settings.is_on_cluster:
        from orchestration.cluster.home import bring

        # What came home has the books of everything and the records of little.
        settings.warehouse.unlink(missing_ok=True)
        loading.load(settings)
        bring(settings, OWNERS)
    else:
        loading.load(settings)


def forget(settings: Settings) -> None:
    """Remove what the cluster holds; the file is whoever's who calls."""
    if settings.is_on_cluster:
        from orchestration.cluster.home import forget as forget_on_cluster

        forget_on_cluster(settings)


def built(settings: Settings, manifest: Path) -> dict[str, int]:
    """After dbt: the rows of every relation, which on a cluster first come home."""
    if settings.is_on_cluster:
        from orchestration.cluster.home import bring_home

        return bring_home(settings, manifest)
    with warehouse(settings.warehouse) as connection:
        return ledger.rows_per_table(connection)
