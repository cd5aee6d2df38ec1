"""The shop's events straight into a landing zone, at any size, as sealed segments: for benchmarks.

One small shop is simulated and put through the collector's own reading; further shops are copies of its lines with
another namespace, which every id contains. So a million events cost about as much as writing their bytes.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from ingestion.contracts.shapes import Origin
from ingestion.contracts.wire import read_event
from ingestion.landing import new_record_id
from simulator.world import Simulation, simulate

TILE_PEOPLE = 200
TILE_DAYS = 60
SEGMENT_BYTES = 64 * 1024 * 1024
TOKEN = "918273"
"""The namespace that copies replace. Digits, so that it fits phone numbers and record ids too."""


def write_segments(
    landing: Path,
    events: int,
    seed: int = 7,
    *,
    days: int = TILE_DAYS,
    progress: bool = False,
) -> list[Path]:
    """Write `events` lines of the events stream below `landing`; returns the sealed segments.

    Duplicates and late events are among them, as in `simulate`. The lines are those the collector would have landed,
    but for `sent_at`: nobody's clock is wrong here.
    """
    folder = landing / "events" / "sealed"
    folder.mkdir(parents=True, exist_ok=True)
    tile = simulate(people=TILE_PEOPLE, days=days, seed=seed, namespace=TOKEN)
    lines = _landed_lines(tile)
    paths, written = [], 0
    for count, block in _blocks(lines, events):
        path = folder / f"{new_record_id()}.ndjson"
        with path.open("wb") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        paths.append(path)
        written += count
        if progress:
            print(f"  {written:,} of {events:,} events written", flush=True)
    return paths


def _landed_lines(tile: Simulation) -> list[bytes]:
    """The tile's calls as landed lines, their record ids rising in order of arrival and holding the token."""
    lines = []
    for number, call in enumerate(tile.calls):
        received_at = call.arrives_at + timedelta(milliseconds=number % 1000)
        origin = Origin(
            source_id=call.source_id,
            received_at=received_at,
            channel="client" if call.source_id == "web_shop" else "server",
            endpoint="/v1/batch",
            is_single=False,
        )
        record_id = _record_id(int(received_at.timestamp() * 1000), number)
        lines.append(read_event(call.body, origin, record_id).to_line(record_id))
    return lines


def _record_id(milliseconds: int, number: int) -> UUID:
    """A UUIDv7: 48 bits of time, then the place within the tile, then the token as its last digits."""
    time = f"{milliseconds:012x}"
    return UUID(f"{time[:8]}-{time[8:]}-7000-8000-{number % 16**6:06x}{TOKEN}")


def _blocks(lines: list[bytes], events: int) -> Iterator[tuple[int, bytes]]:
    """Copies of the tile until there are `events` lines, in blocks of about a segment's size."""
    tile = b"".join(lines)
    token = TOKEN.encode()
    block, count = [], 0
    size = 0
    for copy in range(-(-events // len(lines))):
        left = events - copy * len(lines)
        source = tile if left >= len(lines) else b"".join(lines[:left])
        block.append(source.replace(token, b"%06d" % copy))
        count += min(left, len(lines))
        size += len(source)
        if size >= SEGMENT_BYTES:
            yield count, b"".join(block)
            block, count, size = [], 0, 0
    if block:
        yield count, b"".join(block)
