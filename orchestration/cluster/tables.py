"""How the raw schema lies on the cluster: tables that are only appended to, and views that show what the ledger knows.

A load appends its rows under the name of its attempt; the attempt's rows in the ledger, one file and the last that is
written, make them visible. So no table format needs transactions, and what a killed load left behind is never seen.
"""

from collections.abc import Iterable, Mapping

from ingestion.contracts import STREAMS
from orchestration.cluster.session import Cluster, spark_type
from orchestration.warehouse.schema import LEDGERS, contract_has_changed, raw_tables

ATTEMPT = "_attempt"
LEDGER = "raw.loads__kept"
ATTEMPTED = [*STREAMS, "loads", "load_rejects"]
WHOSE = {"home": "varchar"}


class WrongCluster(RuntimeError):  # noqa: N818 - says what happened
    """The cluster holds the warehouse of another home."""


def kept(table: str) -> str:
    """Where the rows of a raw table are, whatever became of the load that brought them."""
    return f"raw.{table}__kept" if table in ATTEMPTED else f"raw.{table}"


def create_raw(cluster: Cluster) -> None:
    """Create what is missing of the raw schema. Existing tables with other columns stop with a sentence."""
    cluster.execute("create schema if not exists raw")
    _take_possession(cluster)
    for table, columns in raw_tables().items():
        extra = {ATTEMPT: "varchar"} if table in ATTEMPTED else {}
        _create(cluster, kept(table), {**columns, **extra})
    for table in ATTEMPTED:
        names = ", ".join(raw_tables()[table])
        known = f"where {ATTEMPT} in (select {ATTEMPT} from {LEDGER})"
        cluster.execute(
            f"create or replace view raw.{table} as select {names} from {kept(table)} "
            f"{known if kept(table) != LEDGER else ''}"
        )


def append(
    cluster: Cluster,
    table: str,
    kinds: Mapping[str, str],
    rows: Iterable[Mapping[str, object]],
) -> None:
    """Rows of ours into a table, in one piece."""
    _write(cluster, "insert into", table, kinds, rows)


def replace(cluster: Cluster, table: str, rows: Iterable[Mapping[str, object]]) -> None:
    """All rows of a table anew. A kill in between leaves it empty until the next load, before which nothing reads it."""
    _write(cluster, "insert overwrite", f"raw.{table}", LEDGERS[table], rows)


def _write(
    cluster: Cluster,
    verb: str,
    table: str,
    kinds: Mapping[str, str],
    rows: Iterable[Mapping[str, object]],
) -> None:
    with cluster.view(cluster.frame(kinds, rows)) as view:
        cluster.execute(f"{verb} {table} select {', '.join(kinds)} from {view}")


def _create(cluster: Cluster, table: str, columns: Mapping[str, str]) -> None:
    if cluster.has(table):
        found = list(cluster.session.table(table).columns)
        if found != list(columns):
            raise contract_has_changed(
                table, found, list(columns), "the schema raw on the cluster"
            )
        return
    described = ", ".join(
        f"{name} {spark_type(kind)}" for name, kind in columns.items()
    )
    cluster.execute(
        f"create table {table} ({described}) using {cluster.settings.table_format}"
    )


def _take_possession(cluster: Cluster) -> None:
    """A cluster holds one home's warehouse: two homes (or tenants) would load into the same tables."""
    home = str(cluster.settings.home.resolve())
    _create(cluster, "raw.belongs_to", WHOSE)
    owners = [
        owner for (owner,) in cluster.execute("select home from raw.belongs_to").rows
    ]
    if not owners:
        append(cluster, "raw.belongs_to", WHOSE, [{"home": home}])
    elif owners != [home]:
        raise WrongCluster(
            f"The cluster holds the warehouse of {', '.join(owners)}, not of {home}. Name another endpoint in "
            "MILLRACE_SPARK_REMOTE; each home or tenant wants a catalog of its own. If the home has moved, drop the "
            "schema raw on the cluster and refresh: everything is built from the landing zone."
        )
