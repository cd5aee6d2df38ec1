"""Landed records and segments for tests of what comes after the landing zone."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.contracts import Event, Landed
from ingestion.landing import LandingWriter, new_record_id
from ingestion.settings import Settings

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def platform(folder: Path) -> Settings:
    """Settings of a platform that lives in `folder`."""
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    return Settings(home=folder / "home", sources_dir=sources)


def event(event_id: str, **fields: object) -> Event:
    values = {
        "source_id": "web_shop",
        "received_at": NOON,
        "event_id": event_id,
        "type": "track",
        "name": "Order Completed",
        "occurred_at": NOON,
        "identifiers": [{"type": "user_id", "value": "ada"}],
        "properties": {"total": 12.5, "note": "Grüße ✓"},
        "channel": "server",
        "shape": "segment",
    }
    return Event.model_validate({**values, **fields})


def land(home: Settings, *records: Landed) -> None:
    with LandingWriter(home.landing) as writer:
        writer.land(records)


def seal_text(home: Settings, text: bytes, name: str | None = None) -> Path:
    """Put a segment into sealed/ as a broken or foreign writer might have left it."""
    path = home.landing / "events" / "sealed" / f"{name or new_record_id()}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def line(event_id: str, **fields: object) -> bytes:
    return event(event_id, **fields).to_line(new_record_id())


def ask(home: Settings, sql: str) -> list[tuple]:
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def everything(home: Settings) -> list[list[tuple]]:
    """Every raw row without its operational columns, and every rejected line."""
    events = (
        "select * exclude (_segment, _load_id, record_id) from raw.events order by all"
    )
    return [
        ask(home, events),
        ask(home, "select reason, raw from raw.load_rejects order by all"),
        ask(home, "select sum(loaded), sum(rejected) from raw.loads"),
    ]
