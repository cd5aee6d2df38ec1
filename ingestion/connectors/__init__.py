"""Pulling profiles, records, catalogues, ad metrics and tables of events out of other systems, as sources/*.yml declare.

Events that are pushed to us are the collector's. A new kind of extract is one file and one line in register.py.
"""

from ingestion.connectors.declarations import EventSource, ExtractSource, Source
from ingestion.connectors.loading import SourceError, load_source, load_sources
from ingestion.connectors.pulling import PullResult, pull
from ingestion.connectors.rows import ExtractError

__all__ = [
    "EventSource",
    "ExtractError",
    "ExtractSource",
    "PullResult",
    "Source",
    "SourceError",
    "load_source",
    "load_sources",
    "pull",
]
