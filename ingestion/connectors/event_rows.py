"""A mapped row of an event source → the event, as if it had been sent; and the row again, from the event that was landed.

How a call becomes an event is the contracts'; columns become a call in mapping.py. The row's place and hash travel in
`context.extract`: events have no columns for them, and whoever looks at one wants to know where it came from.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingestion.connectors.declarations import EventRows
from ingestion.connectors.rows import Row
from ingestion.connectors.values import CellError
from ingestion.contracts import Event
from ingestion.contracts.refusals import Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from ingestion.landing import new_record_id

PLACE = "extract"


def event(
    source: EventRows,
    call: Mapping[str, Any],
    row: Row,
    key: str,
    row_hash: str,
    now: datetime,
) -> Event:
    """The event that a row is. Raises CellError for what the collector would refuse, too."""
    origin = Origin(source.source_id, now, "batch", f"extract:{row.file}")
    place = {"file": row.file, "line": row.line, "row_hash": row_hash}
    context = {**call["context"], PLACE: place}
    said = {**call, "messageId": key, "context": context}
    try:
        return read_event(said, origin, new_record_id())
    except Refused as refusal:
        raise CellError(refusal.code, refusal.faults[0].path, str(refusal)) from refusal


def landed_row(record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Key and hash of the row that a landed event was; None if it was no row."""
    place = (record.get("context") or {}).get(PLACE)
    if not isinstance(place, dict) or "row_hash" not in place:
        return None
    return record["event_id"], place["row_hash"]
