"""A process that delivers one plan and may be killed while it does.

    python -m tests.integration.delivery_child PLAN

PLAN is a JSON file: home, sync, changes, segments seen by the plan, and the declaration of the destination.
"""

import json
import sys
from pathlib import Path

from ingestion.landing import LandingWriter
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.delivery import deliver
from orchestration.destinations.register import load_destinations


def main(plan: Path) -> None:
    given = json.loads(plan.read_text())
    sync, home = Sync.model_validate(given["sync"]), Path(given["home"])
    name = sync.destination
    declared = load_destinations(Path(given["destinations"]), [name], home / "outbox")
    changes = [ActivationChange.model_validate(each) for each in given["changes"]]
    landing = home / "landing"
    with LandingWriter(landing) as writer:
        summary = deliver(
            sync, declared[name], changes, writer, landing, given["segments"]
        )
    declared[name].close()
    print(summary.sentence())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
