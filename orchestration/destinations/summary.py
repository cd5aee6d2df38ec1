"""What a delivery run says about itself: counts for people, metadata and alerts. It decides nothing."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from orchestration.destinations.base import Action, Kind


@dataclass
class DeliverySummary:
    """Counts of one run. `outcomes` is keyed by (action, outcome), `held` by the guard that blocks.

    `overtaken` were attempted since the plan; `put_off` wait until an old handle of the person is gone.
    `goes_on` says that what stopped the run is nobody's fault and a later run continues.
    `waits_until` is set when the account is to be left alone, so that nothing was tried.
    """

    sync_name: str
    planned: int
    outcomes: Counter[tuple[Action, Kind]] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    overtaken: int = 0
    put_off: int = 0
    waits_until: datetime | None = None
    requests: int = 0
    stopped: str | None = None
    goes_on: bool = False
    paused_seconds: float | None = None

    def count(self, action: Action, kind: Kind) -> None:
        self.outcomes[action, kind] += 1

    def hold(self, guard: str) -> None:
        self.held[guard] += 1

    def total(self, kind: Kind) -> int:
        """Operations with this outcome."""
        return sum(n for (_, each), n in self.outcomes.items() if each == kind)

    @property
    def delivered(self) -> int:
        return self.total("delivered")

    @property
    def is_complete(self) -> bool:
        """Whether the plan was worked through: nothing stopped it, was held back or waits to be tried again."""
        is_left = self.held or self.put_off or self.total("retry")
        return not self.stopped and not self.waits_until and not is_left

    def numbers(self) -> dict[str, str | int]:
        """For a line of the log."""
        found: dict[str, str | int] = {"sync": self.sync_name, "planned": self.planned}
        for (_, kind), n in self.outcomes.items():
            found[kind] = int(found.get(kind, 0)) + n
        return found | {"held": self.held.total(), "requests": self.requests}

    def sentence(self) -> str:
        """One line for a person."""
        if self.waits_until:
            return f"{self.sync_name}: the destination is left alone until {self.waits_until:%Y-%m-%d %H:%M:%S} UTC"
        if not self.planned and not self.requests:
            return f"{self.sync_name}: nothing to publish"
        parts = [
            f"{n} {action} {kind}"
            for (action, kind), n in sorted(self.outcomes.items())
        ]
        parts += [f"{n} held back by {guard}" for guard, n in sorted(self.held.items())]
        if self.overtaken:
            parts.append(f"{self.overtaken} already attempted since the plan")
        if self.put_off:
            parts.append(f"{self.put_off} wait until their old handle is gone")
        if self.stopped:
            parts.append(f"stopped: {self.stopped}")
        return f"{self.sync_name}: {', '.join(parts)} ({self.requests} requests)"
