"""Dagster's event log in SQLite, with its connections kept open.

Dagster's own opens a connection for every event and closes it again, which makes SQLite tidy its journal up each
time. A refresh stores some two thousand events; that was a fifth of its CPU.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen


class KeptEventLog(SqliteEventLogStorage):
    """One connection to the index and one to the run that is written; whatever else is read comes and goes."""

    def __init__(
        self, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> None:
        """`base_dir` is the DAGSTER_HOME; the files lie where Dagster's own would put them."""
        self._engines: dict[str, Engine] = {}
        super().__init__(str(Path(base_dir) / "history" / "runs"), inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptEventLog":
        return cls(config_value["base_dir"], inst_data)

    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)
        # The UI looks for news when the run's file changes, which it rarely does while its journal stays open.
        os.utime(self.path_for_shard(event.run_id))

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with (
            self._db_lock,
            self._engine(shard).connect() as connection,
            connection.begin(),
        ):
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            for other in self._engines.keys() - {INDEX_SHARD_NAME}:
                self._engines.pop(other).dispose()
            engine = create_engine(
                self.conn_string_for_shard(shard),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            listen(engine, "connect", _without_sync)
            self._initdb(engine)
            self._engines[shard] = engine
        return self._engines[shard]

    def dispose(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def _without_sync(connection: sqlite3.Connection, _: object) -> None:
    """A power cut may cost the last events of a run that it ended anyway, never the file."""
    connection.execute("pragma synchronous = normal")
