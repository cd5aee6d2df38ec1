"""A delivery run in a process of its own, which may be killed at a crash point, and engines with a planted bug.

The process is forked from one that has the imports (tests.dbt), so a kill costs milliseconds.
"""

import json
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingestion.landing import LandingWriter
from orchestration.destinations import asking, delivery
from orchestration.destinations.base import ActivationChange, Sync
from orchestration.destinations.summary import DeliverySummary
from tests.integration.tool import Tool
from tests.later import Later

Bug = tuple[str, str]
"""A place of the engine's source, and what stands there instead."""

PARTS = (asking, delivery)


def engine(bug: Bug | None) -> types.ModuleType:
    """The delivery loop, as it is or with a bug planted into its source; each part imports the ones before it."""
    if bug is None:
        return delivery
    right, wrong = bug
    sources = [Path(str(part.__file__)).read_text("utf-8") for part in PARTS]
    found = sum(source.count(right) for source in sources)
    assert found == 1, f"{right!r} is no longer one place of the engine"
    planted = {part.__name__: types.ModuleType(part.__name__) for part in PARTS}
    real = {name: sys.modules[name] for name in planted}
    sys.modules.update(planted)
    try:
        for made, source in zip(planted.values(), sources, strict=True):
            exec(compile(source.replace(right, wrong), "planted", "exec"), vars(made))
    finally:
        sys.modules.update(real)
    return planted[delivery.__name__]


def deliver(
    sync: Sync,
    tool: Any,
    changes: Sequence[ActivationChange],
    landing: Path,
    seen: set[str],
    bug: Bug | None = None,
    **options: Any,
) -> DeliverySummary:
    with LandingWriter(landing) as writer:
        summary: DeliverySummary = engine(bug).deliver(
            sync, tool, changes, writer, landing, seen, **options
        )
    return summary


def deliver_and_die(given: str, crash_at: str) -> None:
    """What the process does: deliver a plan that was written down, and be killed."""
    plan = json.loads(given)
    os.environ["MILLRACE_CRASH_AT"] = crash_at
    deliver(
        Sync.model_validate(plan["sync"]),
        Tool(Path(plan["tool"]), plan["faults"], plan["poisonous"]),
        [ActivationChange.model_validate(each) for each in plan["changes"]],
        Path(plan["landing"]),
        set(plan["seen"]),
        plan["bug"] and tuple(plan["bug"]),
        clock=Later().clock,
    )
