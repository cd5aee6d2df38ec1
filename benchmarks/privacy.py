"""Erasing a thousand people from the landing zone, against rewriting once the segments that hold them.

The limit unpacks every segment that is concerned, packs it again and syncs it: less cannot be done to a packed file. What
follows an erasure, a full refresh, is measured as such elsewhere. Each side is a process of its own, imports included.
"""

import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import zstandard

from benchmarks.harness import Figure, Usage, compare, measure, module
from ingestion.landing import archived_segments
from ingestion.settings import Settings
from orchestration.privacy.erasing import take_out
from orchestration.privacy.tombstones import Tombstone, hashes_of, key_of, put
from orchestration.warehouse.loading import load
from orchestration.warehouse.segments import LEVEL
from simulator.bulk import write_segments

PEOPLE = 1000
NOW = datetime(2030, 1, 1)  # after everything that a figure makes up


def erasing(folder: Path, events: int, runs: int) -> Figure:
    """Taking 1,000 people out of `events` events : unpacking and packing the segments that hold them."""
    loaded = folder / "loaded"
    print(f"writing and loading {events:,} events …", flush=True)
    write_segments(loaded / "landing", events=events, seed=7)
    home = Settings(home=loaded, sources_dir=loaded / "sources")
    load(home)
    records = _file_erasures(home)
    subject, limit, ratios = compare(
        lambda: _own(folder, "erase"), lambda: _own(folder, "rewrite"), runs
    )
    return Figure(
        name=f"erasing {PEOPLE:,} people ({records:,} records) : one rewrite, {events:,} events",
        unit=f"{subject.cpu_seconds / PEOPLE * 1e3:.1f} CPU ms a person",
        subject=subject,
        limit=limit,
        ratio=sorted(ratios)[len(ratios) // 2],
        spread=(min(ratios), max(ratios)),
        target=1.5,
    )


def _file_erasures(home: Settings) -> int:
    """A tombstone for each of some people, who are in every segment as anybody's customers are; how many records are theirs."""
    with duckdb.connect(home.warehouse, read_only=True) as connection:
        people = connection.execute(
            """
            with named as (select record_id, unnest(identifiers, recursive := true) from raw.events)
            select value, list(distinct record_id::varchar) from named
            where type = 'user_id' group by value order by md5(value) limit ?
            """,
            [PEOPLE],
        ).fetchall()
    for number, (value, records) in enumerate(people):
        hashes = hashes_of(key_of(home), [("user_id", value)], words=[value])
        put(
            home,
            Tombstone(str(number), "erasure", NOW, NOW, hashes, frozenset(records), ()),
        )
    return sum(len(records) for _, records in people)


def _own(folder: Path, what: str) -> Usage:
    """One of the things below, as a process over a fresh copy."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder / "loaded", home)
    return measure(module(__name__, what, str(home)), folder / f"{what}.log")


# From here on: what the processes do.


def _rewrite_all(home: Settings) -> None:
    for segment in archived_segments(home.landing):
        text = zstandard.ZstdDecompressor().decompress(segment.path.read_bytes())
        packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        with segment.path.with_suffix(".new").open("wb") as file:
            file.write(packer.compress(text))
            file.flush()
            os.fsync(file.fileno())
        segment.path.with_suffix(".new").replace(segment.path)


if __name__ == "__main__":
    here = Settings(home=Path(sys.argv[2]), sources_dir=Path(sys.argv[2]) / "sources")
    if sys.argv[1] == "erase":
        print(len(take_out(here).segments), "segments rewritten")
    else:
        _rewrite_all(here)
