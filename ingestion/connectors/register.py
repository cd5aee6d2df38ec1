"""The register of connectors: one line for each kind of extract we can read."""

from ingestion.connectors.files import Files
from ingestion.connectors.rows import Connector

CONNECTORS: dict[str, type[Connector]] = {
    "files": Files,
}
