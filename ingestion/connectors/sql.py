"""The sql connector: what a declaration says about a table or a query, and the rules it keeps.

Reading it is databases.py's, what a column means mapping.py's.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ingestion.connectors.rows import Connector, Reading, Row, Unreadable
from ingestion.contracts.webhooks import ENVIRONMENT

# A transaction that began before the last reading and ended after it may have left rows with an earlier time.
LOOKBACK_SECONDS = 600


class Sql(Connector):
    """A table or a query; with `cursor`, only rows at or above the highest value that was seen."""

    REMEDIES: ClassVar[dict[str, str]] = {
        "url": "write it as postgresql://user:${PASSWORD}@host:5432/database, with the password in the environment",
        "table": "name a table, such as `table: sales.customers`",
        "query": "give one select",
        "columns": "list the columns to read",
        "cursor": "name a column that only grows, such as `cursor: updated_at`",
        "lookback_seconds": "give a whole number, 0 or more",
    }

    connector: Literal["sql"] = "sql"
    url: str = Field(min_length=1, description="SQLAlchemy's address of the database")
    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    columns: tuple[str, ...] = Field(default=(), description="Read no others")
    cursor: str | None = Field(default=None, min_length=1)
    lookback_seconds: int = Field(
        default=LOOKBACK_SECONDS,
        ge=0,
        description="How far before the cursor's last time to start, for transactions that ended late",
    )

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("`extract` needs either `table` or `query`")
        if self.query is not None and ";" in self.query.rstrip().rstrip(";"):
            raise ValueError("`extract.query` has to be one statement, without `;`")
        password = re.search(r"://[^/@:]*:(.*)@", self.url)
        if password and not ENVIRONMENT.fullmatch(password[1]):
            raise ValueError(
                "`extract.url` holds a password; put it into the environment and write ${NAME} in its place"
            )
        return self

    @property
    def cursor_column(self) -> str | None:
        return self.cursor

    @property
    def has_columns(self) -> bool:
        return True

    def read(self, reading: Reading) -> Iterator[Row | Unreadable]:
        # here, because whoever only reads declarations should not wait for drivers
        from ingestion.connectors.databases import rows_of

        return rows_of(self, reading)
