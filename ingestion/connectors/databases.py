"""Reading a table or a query of any database that SQLAlchemy reaches: row by row, in one snapshot.

Nothing is ever written there. What may be declared is sql.py's.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from ingestion.connectors.cursors import higher
from ingestion.connectors.environment import expanded, scrubbed
from ingestion.connectors.formats import lossless
from ingestion.connectors.plain import plain
from ingestion.connectors.rows import ExtractError, Reading, Row, Unreadable
from ingestion.connectors.sql import Sql

BATCH = 1000  # rows fetched at once

DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
READS_JSON = ("postgresql", "mysql", "mariadb", "sqlite", "mssql")


def rows_of(sql: Sql, reading: Reading) -> Iterator[Row | Unreadable]:
    place = sql.table or "query"
    with _clearly(sql):
        engine = _engine(_address(sql.url))
        with engine.connect() as connection:
            _isolated(connection)
            statement, bound = _statement(sql, engine, reading.since)
            streaming = connection.execution_options(
                stream_results=True, yield_per=BATCH
            )
            with streaming.execute(statement, bound) as result:
                names = _columns(sql, list(result.keys()))
                for line, values in enumerate(result, start=1):
                    row = dict(zip(names, values, strict=True))
                    if sql.cursor:
                        reading.highest = higher(
                            reading.highest, row[sql.cursor], sql.cursor
                        )
                    yield Row(plain(row), place, line)


def _statement(
    sql: Sql, engine: sa.Engine, since: Any
) -> tuple[sa.TextClause, dict[str, Any]]:
    """What is asked, and the value of its parameter."""
    quoted = engine.dialect.identifier_preparer.quote
    wanted = dict.fromkeys(sql.columns)
    if sql.columns and sql.cursor:
        wanted[sql.cursor] = None
    chosen = ", ".join(quoted(column) for column in wanted) or "*"
    if sql.table:
        origin = ".".join(quoted(part) for part in sql.table.split("."))
    else:
        # a colon would be the start of a parameter
        asked = str(sql.query).rstrip().rstrip(";").replace(":", r"\:")
        origin = f"({asked}) extract"
    statement = f"select {chosen} from {origin}"
    if sql.cursor is None or since is None:
        return sa.text(statement), {}
    if isinstance(since, datetime):
        since -= timedelta(seconds=sql.lookback_seconds)
    column = quoted(sql.cursor)
    where = f"where {column} >= :since or {column} is null"
    return sa.text(f"{statement} {where}"), {"since": since}


def _columns(sql: Sql, names: list[str]) -> list[str]:
    """The names of the columns. Raises ExtractError where they cannot be told apart, or the cursor is none of them."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ExtractError(
            f"the query gives {', '.join(twice)} more than once; name them apart with `as`"
        )
    if sql.cursor and sql.cursor not in names:
        raise ExtractError(
            f"the cursor {sql.cursor!r} is no column; there are {', '.join(names)}"
        )
    return names


def _address(url: str) -> sa.URL:
    whole = re.fullmatch(r"\$\{\w+\}", url)
    address = sa.make_url(
        expanded(url, str if whole else lambda text: quote(text, safe=""))
    )
    driver = DRIVERS.get(address.drivername, address.drivername)
    return address.set(drivername=driver)


@contextmanager
def _clearly(sql: Sql) -> Iterator[None]:
    """Whatever the database or its driver raises, as a sentence without secrets."""
    try:
        yield
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        hint = "install the database's driver, for Postgres: pip install 'millrace[postgres]'"
        raise ExtractError(f"{_named(sql)}: {error}; {hint}") from None
    except ArgumentError:
        raise ExtractError(
            f"{_named(sql)} is no address; {sql.REMEDIES['url']}"
        ) from None
    except OperationalError as error:
        raise ExtractError(
            f"{_named(sql)} does not answer ({_said(sql, error)}); check host, port, user and password, "
            "and that it accepts connections from here"
        ) from None
    except SQLAlchemyError as error:
        what = f"table `{sql.table}`" if sql.table else "the query"
        raise ExtractError(
            f"{_named(sql)}: {what} cannot be read ({_said(sql, error)}); correct `extract`, "
            "or let the user read it"
        ) from None


def _named(sql: Sql) -> str:
    """The address as the declaration has it: variables by their names."""
    return re.sub(r"\?.*", "", sql.url)


def _said(sql: Sql, error: SQLAlchemyError) -> str:
    """The driver's own first line, without what was asked."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    first = scrubbed(str(cause).strip().split("\n")[0], sql.url)
    if password := _address(sql.url).password:
        first = first.replace(password, "***")
    return first or type(error).__name__


def _engine(address: sa.URL) -> sa.Engine:
    """Connections that are made for one reading, and JSON that keeps the digits of its numbers."""
    options: dict[str, Any] = {"poolclass": sa.NullPool}
    if address.get_backend_name() in READS_JSON:
        options["json_deserializer"] = _exact
    return sa.create_engine(address, **options)


def _exact(text: str) -> Any:
    return lossless(json.loads(text, parse_float=Decimal))


def _isolated(connection: sa.Connection) -> None:
    """One snapshot for the whole reading, in a transaction that cannot write, where the database has such a thing."""
    backend = connection.dialect.name
    if backend in ("postgresql", "mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
    if backend == "postgresql":
        connection.execution_options(postgresql_readonly=True)
    if backend == "sqlite":
        connection.exec_driver_sql("pragma query_only = on")
