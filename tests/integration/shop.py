"""One sync of one audience to one tool: the real plan, the real loop, the real landing zone, and time that passes at will."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingestion.landing import LandingWriter
from orchestration.destinations.base import ActivationChange, Destination
from orchestration.destinations.receipts import said_about
from orchestration.destinations.summary import DeliverySummary
from orchestration.destinations.waiting import account_of
from tests.dbt import FORKS
from tests.integration.killed import Bug, deliver, deliver_and_die
from tests.integration.plans import TARGETS, Warehouse, a_sync
from tests.integration.tool import Tool
from tests.landed import platform
from tests.later import Later

People = Mapping[str, Mapping[str, Any]]


def people(*numbers: int, orders: int = 1) -> dict[str, dict[str, int]]:
    return {f"u{number:03}": {"orders": orders} for number in numbers}


class Shop:
    """`run` is a plan and its delivery, seven hours after the one before."""

    def __init__(
        self,
        folder: Path,
        bug: Bug | None = None,
        targets: tuple[str, ...] = TARGETS,
        **sync: Any,
    ) -> None:
        self.home, self.bug, self.time = platform(folder), bug, Later()
        self.sync = a_sync("to_tool", **sync)
        self.warehouse = Warehouse(self.home, self.sync, targets=targets)
        self.tool = Tool(folder / "tool.ndjson")

    def wants(self, crowd: People) -> None:
        """Who is to be there."""
        self.warehouse.crowd(crowd)

    def redeclare(self, **sync: Any) -> None:
        """The sync's row of the seed is edited."""
        self.sync = self.sync.model_copy(update=sync)
        self.warehouse.declare(self.sync)

    def plan(self) -> list[ActivationChange]:
        return self.warehouse.plan(self.sync)[0]

    def run(self, *faults: str, hours: float = 7, **options: Any) -> DeliverySummary:
        changes, seen = self.warehouse.plan(self.sync)
        return self.deliver(changes, seen, faults, hours, **options)

    def deliver(
        self,
        changes: list[ActivationChange],
        seen: set[str],
        faults: Sequence[str] = (),
        hours: float = 0,
        tool: Destination | None = None,
        **options: Any,
    ) -> DeliverySummary:
        """Deliver a plan; `tool` may be another destination than the shop's own."""
        self.time.skip(hours=hours)
        self.tool.faults, self.tool.asked = faults, []
        asked = tool or self.tool
        return deliver(
            self.sync,
            asked,
            changes,
            self.home.landing,
            seen,
            self.bug,
            known=self.warehouse.known(self.sync, account_of(asked)),
            clock=self.time.clock,
            **options,
        )

    def run_and_die(self, crash_at: str, *faults: str) -> bool:
        """Plan, and deliver in a process that is killed at a crash point; whether it came that far."""
        changes, seen = self.warehouse.plan(self.sync)
        given = {
            "sync": self.sync.model_dump(),
            "tool": str(self.tool.journal),
            "faults": faults,
            "poisonous": list(self.tool.poisonous),
            "changes": [change.model_dump() for change in changes],
            "landing": str(self.home.landing),
            "seen": sorted(seen),
            "bug": self.bug,
        }
        child = FORKS.Process(
            target=deliver_and_die, args=(json.dumps(given), crash_at)
        )
        child.start()
        child.join()
        assert child.exitcode in (0, -9), f"the run failed ({child.exitcode})"
        return child.exitcode == -9

    def says(self, kind: Any, detail: str = "a test", about: str = "") -> None:
        """Land a word about the sync: a resync, an approval."""
        with LandingWriter(self.home.landing) as writer:
            writer.land([said_about(self.sync.sync_name, kind, detail, about)])
