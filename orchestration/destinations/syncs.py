"""Reads the seed that declares the syncs, for whoever has to make one publish step per sync.

The plan itself reads the seed in SQL; here is only its shape.
"""

import csv
from pathlib import Path

from orchestration.destinations.base import Sync


def load_syncs(seed: Path) -> list[Sync]:
    """Every declared sync, in the seed's order. Raises ValidationError for a row that is none."""
    with seed.open(newline="", encoding="utf-8") as file:
        return [Sync.model_validate(row) for row in csv.DictReader(file)]
