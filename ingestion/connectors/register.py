"""The register of connectors: one line for each kind of extract we can read."""

from ingestion.connectors.dlt_resources import DltResource
from ingestion.connectors.files import Files
from ingestion.connectors.rows import Connector
from ingestion.connectors.sql import Sql

CONNECTORS: dict[str, type[Connector]] = {
    "files": Files,
    "sql": Sql,
    "dlt": DltResource,
}
