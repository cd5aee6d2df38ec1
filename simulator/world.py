"""Putting it together: a seed and sizes in, the calls in order of arrival and the extract files out."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.calls import Call, Ids
from simulator.extracts import extracts, write_extracts
from simulator.lives import life
from simulator.mess import arrivals, crawler, kiosk
from simulator.people import Person, population
from simulator.visits import Shop

Json = dict[str, Any]

AS_OF = datetime(2026, 1, 31, tzinfo=UTC)
"""The story ends here. Fixed, so that a seed tells the same story on every day."""


@dataclass(frozen=True)
class Simulation:
    """`summary` is what simulation.json says."""

    calls: list[Call]
    files: dict[str, bytes]
    summary: Json

    def write(self, folder: Path) -> None:
        """The extracts, and simulation.json beside them."""
        write_extracts(folder, self.files)
        text = json.dumps(self.summary, indent=2) + "\n"
        (folder / "simulation.json").write_text(text, "utf-8")


def simulate(
    *,
    people: int,
    days: int,
    seed: int,
    namespace: str | None = None,
    as_of: datetime = AS_OF,
    progress: bool = False,
) -> Simulation:
    """The same arguments give the same calls, message ids and bytes.

    Every id contains the `namespace` (six digits; the seed if not given), so two simulations can share a platform.
    """
    label = namespace or f"{seed % 1_000_000:06d}"
    start = as_of - timedelta(days=days)
    shop = Shop(label, start, as_of, Ids(label))
    everyone = population(seed, label, people, start, days)
    calls = list(_lives(shop, everyone, seed, progress))
    members = [person for person in everyone if person.kind == "member"]
    calls += kiosk(shop.ids, label, members, seed, start, as_of)
    calls += crawler(shop.ids, label, start)
    calls = [call for call in calls if call.at < as_of]
    arriving = arrivals(calls, seed)
    files = extracts(shop, everyone, seed)
    return Simulation(
        calls=arriving,
        files=files,
        summary={
            "seed": seed,
            "people": people,
            "days": days,
            "as_of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}",
            "calls": len(arriving),
            "distinct_events": len(calls),
            "orders": len(shop.orders),
            "extracts": sorted(files),
        },
    )


def _lives(
    shop: Shop, everyone: list[Person], seed: int, progress: bool
) -> Iterator[Call]:
    told = time.monotonic()
    for number, person in enumerate(everyone, start=1):
        yield from life(shop, person, seed)
        if progress and time.monotonic() - told > 2:
            told = time.monotonic()
            print(f"  {number:,} of {len(everyone):,} people", file=sys.stderr)
