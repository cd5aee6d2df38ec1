"""The published read copy: what analysts, sensors, publishing and explanations open instead of the warehouse.

Swapped in by rename, so a reader has the old copy or the new one, never half of one.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ingestion.crash_points import reached
from ingestion.settings import Settings
from orchestration.warehouse.ledger import rows_per_table
from orchestration.warehouse.schema import read_copy, warehouse


@dataclass(frozen=True)
class Published:
    """The copy that was put in place. `rows` holds the rows of every table as `schema.table`."""

    path: Path
    bytes: int
    seconds: float
    rows: dict[str, int]


def publish(settings: Settings) -> Published:
    """Copy the warehouse and swap the copy in. Call it while holding the pool `warehouse`."""
    started = time.monotonic()
    with warehouse(settings.warehouse) as connection:
        connection.execute("checkpoint")
    # Closed first: opening the file as a plain one while this process has it open would drop its lock.
    draft = settings.published.parent / "draft" / settings.published.name
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(settings.warehouse, draft)
    _sync(draft)
    reached("publish.copied")
    draft.replace(settings.published)
    _sync(settings.published.parent)
    reached("publish.replaced")
    with read_copy(settings.published) as connection:
        rows = rows_per_table(connection)
    return Published(
        path=settings.published,
        bytes=settings.published.stat().st_size,
        seconds=time.monotonic() - started,
        rows=rows,
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
