"""Dagster's event log in SQLite, with the connection to its index kept open.

Dagster's own opens a connection for every event, several for one about an asset, and closes it again, which makes
SQLite tidy its journal up each time. Almost all of them go to the index.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine


class KeptEventLog(SqliteEventLogStorage):
    """A run's own file is opened and closed as before: the UI shows its events when that file changes."""

    def __init__(
        self, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> None:
        """`base_dir` is the DAGSTER_HOME; the files lie where Dagster's own would put them."""
        self._index: Engine | None = None
        super().__init__(str(Path(base_dir) / "history" / "runs"), inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptEventLog":
        return cls(config_value["base_dir"], inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard != INDEX_SHARD_NAME:
            with super()._connect(shard) as connection:
                yield connection
            return
        with (
            self._db_lock,
            self._kept().connect() as connection,
            connection.begin(),
        ):
            yield connection

    def _kept(self) -> Engine:
        if self._index is None:
            self._index = create_engine(
                self.conn_string_for_shard(INDEX_SHARD_NAME),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            self._initdb(self._index)
        return self._index

    def dispose(self) -> None:
        if self._index is not None:
            self._index.dispose()
        super().dispose()
