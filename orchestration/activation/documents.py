"""The plan as a document that a person looks at before it is applied: what would happen, why, and what speaks against it.

People in it are masked. The file is for reading; what is applied is the plan in the read copy, if its hash is the same.
"""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ingestion.settings import Settings
from orchestration.activation.plans import Plan, of_account, read_plan
from orchestration.destinations.base import ActivationChange, Destination, Sync
from orchestration.destinations.delivery import EXEMPT
from orchestration.destinations.possible import check_place, check_possible
from orchestration.destinations.waiting import account_of, spacing, waits_until
from orchestration.warehouse.schema import read_copy

SAMPLES_PER_ACTION = 3
# Of a destination that was never asked. Reason: a slow HTTP API.
SECONDS_PER_REQUEST = 1.0


def describe(
    sync: Sync, destination: Destination, settings: Settings
) -> dict[str, Any]:
    """The document of a sync's published plan. Raises SyncImpossible."""
    check_possible(sync, destination)
    account = account_of(destination)
    plan = of_account(
        settings.published, read_plan(settings.published, sync.sync_name), account
    )
    check_place(sync, account, plan.known.accounts)
    until = waits_until(plan.known.pause, datetime.now(UTC))
    return {
        "sync": sync.sync_name,
        "plan": plan.hash,
        "verdict": verdict(plan),
        "made_at": plan.made_at.isoformat(),
        "destination": destination.name,
        "mode": sync.mode,
        "purpose": sync.purpose,
        "changes": _counts(plan.changes),
        "held_back_by": sorted(guards(plan)),
        "guards": _guards(settings, sync.sync_name),
        "jobs_to_ask_about": len({each.job for each in plan.known.pending.values()}),
        "waits_until": until and until.isoformat(),
        **_estimate(sync, destination, plan.changes, settings),
        "samples": list(_samples(plan.changes)),
    }


def guards(plan: Plan) -> set[str]:
    """The guards that hold some of the plan back."""
    held = [c for c in plan.changes if c.reason not in EXEMPT]
    found = {change.blocked_by for change in held if change.blocked_by}
    return found | ({plan.known.held_by} if held and plan.known.held_by else set())


def verdict(plan: Plan) -> str:
    if not plan.changes:
        return "nothing to do"
    if not guards(plan):
        return "ready"
    return "approved" if plan.hash in plan.known.approvals else "needs approval"


def write(document: dict[str, Any], settings: Settings) -> Path:
    """Write the document where the next one of the sync replaces it."""
    path = settings.home / "plans" / f"{document['sync']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def lines(document: dict[str, Any]) -> Iterator[str]:
    """The document for a terminal."""
    yield (
        f"{document['sync']} → {document['destination']} ({document['mode']}): {document['verdict']}"
    )
    for row in document["changes"]:
        yield f"  {row['count']:>9,} {row['action']:<8} {row['reason']}"
    for guard in document["guards"]:
        if guard["is_blocked"]:
            yield f"  held back by {guard['guard']}: {guard['changes']:,} changes, {guard['present']:,} are there"
    for guard in document["held_back_by"]:
        if guard.startswith("stale"):
            yield f"  held back by {guard}: what the plan rests on is too old"
    if document["waits_until"]:
        yield f"  the destination is left alone until {document['waits_until']}"
    if document["changes"]:
        yield f"  about {document['requests']:,} requests, {document['seconds']:,.0f} s"
        yield f"  plan {document['plan']}"


def _counts(changes: list[ActivationChange]) -> list[dict[str, Any]]:
    counted = Counter((change.action, change.reason) for change in changes)
    return [
        {"action": action, "reason": reason, "count": count}
        for (action, reason), count in sorted(counted.items())
    ]


def _guards(settings: Settings, sync_name: str) -> list[dict[str, Any]]:
    with read_copy(settings.published) as connection:
        rows = connection.execute(
            """
            select guard_name, change_count, present_count, is_blocked
            from activation.activation_guards where sync_name = ? order by guard_name
            """,
            [sync_name],
        ).fetchall()
    columns = ("guard", "changes", "present", "is_blocked")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _estimate(
    sync: Sync,
    destination: Destination,
    changes: list[ActivationChange],
    settings: Settings,
) -> dict[str, Any]:
    """Requests and seconds, from the batch size, the pace, and how long requests of this sync took so far."""
    exits = sum(change.action == "exit" for change in changes)
    requests = sum(
        math.ceil(count / destination.batch_size)
        for count in (exits, len(changes) - exits)
    )
    with read_copy(settings.published) as connection:
        ((took,),) = connection.execute(
            """
            select sum(epoch(ended_at) - epoch(started_at)) / sum(request_count)
            from activation.fct_sync_runs
            where sync_name = ? and request_count > 0
            """,
            [sync.sync_name],
        ).fetchall()
    each = max(
        SECONDS_PER_REQUEST if took is None else took, spacing(sync, destination)
    )
    return {"requests": requests, "seconds": round(requests * each, 1)}


def _samples(changes: list[ActivationChange]) -> Iterator[dict[str, Any]]:
    shown: Counter[str] = Counter()
    for change in changes:
        if shown[change.action] < SAMPLES_PER_ACTION:
            shown[change.action] += 1
            yield {
                "action": change.action,
                "reason": change.reason,
                "recipient": masked(change.handle),
                "payload": masked(change.payload),
            }


def masked(value: Any) -> Any:
    """The value with the middle of every text taken out, so that it shows a form and no person."""
    if isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, str):
        return f"{value[:1]}***{value[-1:]}" if len(value) > 3 else "***"
    return value
