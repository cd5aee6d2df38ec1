"""One Spark Connect session, set up as dbt's is, that answers SQL in plain rows. The only place that knows pyspark."""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from ingestion.settings import Settings

# As in dbt_project/profiles.yml, which says why; a test compares.
ENDPOINTS = {
    "spark": "sc://127.0.0.1:15002",
    "sail": "sc://127.0.0.1:50051/;session_id=6d696c6c-7261-6365-0000-000000000001",
}
SESSION = {
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.session.timeZone": "UTC",
}
# The names that raw_tables() gives to types, as Spark has them. JSON is text, as it was landed.
_TYPES = {
    "uuid": "string",
    "varchar": "string",
    "json": "string",
    "boolean": "boolean",
    "bigint": "bigint",
    "timestamp": "timestamp_ntz",
    "date": "date",
    "decimal(18,4)": "decimal(18,4)",
    "struct(type varchar, value varchar)": "struct<type:string,value:string>",
}


class ClusterMissing(RuntimeError):  # noqa: N818 - says what happened
    """The cluster, or what is needed to speak with it, is not there."""


class Answer(NamedTuple):
    """What a query gave, as a DuckDB cursor would hand it out."""

    rows: list[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows


class Cluster:
    """A session with the cluster."""

    def __init__(self, session: Any, settings: Settings) -> None:
        self.session, self.settings = session, settings

    @property
    def is_sail(self) -> bool:
        return self.settings.target == "sail"

    def execute(self, sql: str) -> Answer:
        """Run one statement and fetch what it gives."""
        fetched = self.session.sql(sql).toArrow()
        columns = [column.to_pylist() for column in fetched.columns]
        return Answer([*zip(*columns, strict=True)])

    def has(self, relation: str) -> bool:
        return bool(self.session.catalog.tableExists(relation))

    @contextmanager
    def view(self, frame: Any) -> Iterator[str]:
        """A frame under a name that SQL can use."""
        name = f"millrace_{uuid4().hex}"
        frame.createOrReplaceTempView(name)
        try:
            yield name
        finally:
            self.session.catalog.dropTempView(name)

    def frame(
        self, kinds: Mapping[str, str], rows: Iterable[Mapping[str, object]]
    ) -> Any:
        """Rows of ours as a frame in one piece: whoever writes it writes one file, so all of it or nothing."""
        described = ", ".join(f"{name} {spark_type(k)}" for name, k in kinds.items())
        values = [tuple(row[name] for name in kinds) for row in rows]
        return self.session.createDataFrame(values, described).coalesce(1)


@contextmanager
def cluster(settings: Settings) -> Iterator[Cluster]:
    """A session with the cluster; closed, but not ended, because others may use it by its id."""
    session = _session(settings)
    try:
        yield Cluster(session, settings)
    finally:
        session.client.close()


def _session(settings: Settings) -> Any:
    try:
        import pyspark
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ClusterMissing(
            f"MILLRACE_TARGET={settings.target} needs the extra of that name: "
            f"pip install 'millrace[{settings.target}]' (missing: {error.name})."
        ) from error
    # It takes a process without a main file for its own doctests, and looks for a whole Spark then.
    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    endpoint = settings.spark_remote or ENDPOINTS[settings.target]
    _refuse_silence(endpoint)
    builder = SparkSession.builder.remote(endpoint)
    for name, value in SESSION.items():
        builder = builder.config(name, value)
    try:
        return builder.create()
    except PySparkException as error:
        raise ClusterMissing(
            f"The cluster at {endpoint} gives no session: {error}"
        ) from error


def _refuse_silence(endpoint: str) -> None:
    """The client would ask for ten minutes before it gave up."""
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname, address.port or 15002), 10):
            return
    except OSError as error:
        raise ClusterMissing(
            f"Nobody answers at {endpoint} ({error}): start the cluster, or name another in MILLRACE_SPARK_REMOTE."
        ) from error


def spark_type(kind: str) -> str:
    """A type as raw_tables() names it, as Spark does."""
    if kind.endswith("[]"):
        return f"array<{spark_type(kind.removesuffix('[]'))}>"
    if kind not in _TYPES:
        raise TypeError(f"No Spark type is known for {kind!r}; add it to session.py.")
    return _TYPES[kind]
