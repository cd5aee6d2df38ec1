"""The records that the delivery loop lands: attempts, outcomes, and how a run ended.

Belongs here: what a record holds. When one is landed is the loop's business.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import orjson

from ingestion.contracts import Delivery
from ingestion.landing import new_record_id
from orchestration.destinations.base import ActivationChange, Outcome
from orchestration.destinations.history import Pending

# What may point at a person in a destination's words: addresses, and digits as long as a phone number.
_PERSONAL = re.compile(r"[^\s@\"'<>=]+@[^\s@\"'<>]+|\+?\d[\d\s().-]{6,}\d")

# What the outcome of a job repeats of its attempt.
REPEATED = (
    "op_id",
    "recipient_key",
    "profile_id",
    "handle",
    "action",
    "generation",
    "payload_hash",
    "mapping_version",
)

# Every field of a receipt, as it is when nothing is said about it.
_BLANK = {
    "stream": Delivery.stream,
    **Delivery(
        kind="attempt",
        sync_name="",
        op_id="",
        attempt_id="",
        recipient_key="",
        generation=0,
        mapping_version=0,
    ).__dict__,
}


@dataclass(frozen=True)
class RunName:
    """What every record of a run names."""

    sync_name: str
    account: str
    run_id: str


def without_people(text: str | None) -> str | None:
    """A destination's words without addresses and numbers: receipts hold no more of a person than the handle."""
    return _PERSONAL.sub("***", text) if text else text


class Receipt:
    """A Delivery that is written as it is: what it holds was validated before, and there are two per operation."""

    stream = Delivery.stream
    record_id = None

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def to_line(self, record_id: UUID) -> bytes:
        return orjson.dumps(
            {**_BLANK, **self._values, "record_id": record_id},
            option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
        )


def receipt(
    change: ActivationChange,
    attempt_id: str,
    run: RunName,
    at: datetime,
    outcome: Outcome | None = None,
) -> Receipt:
    """An attempt, or its outcome."""
    values = {
        "received_at": at,
        "kind": "attempt",
        "sync_name": change.sync_name,
        "account": run.account,
        "run_id": run.run_id,
        "op_id": change.op_id,
        "attempt_id": attempt_id,
        "recipient_key": change.recipient_key,
        "profile_id": change.profile_id,
        "handle": change.handle,
        "action": change.action,
        "generation": change.generation,
        "payload_hash": change.payload_hash,
        "mapping_version": change.mapping_version,
        "at": at,
    }
    if outcome:
        values |= {
            "kind": "outcome",
            "handle": outcome.handle or change.handle,
            "outcome": outcome.kind,
            "http_status": outcome.http_status,
            "job": outcome.job,
            "detail": without_people(outcome.detail),
        }
    return Receipt(values)


def settled(
    attempt_id: str,
    pending: Pending,
    run: RunName,
    at: datetime,
    outcome: Outcome,
) -> Delivery:
    """The outcome of an attempt of an earlier run."""
    repeated = {name: pending.fields[name] for name in REPEATED}
    if outcome.handle:
        repeated["handle"] = outcome.handle
    return Delivery(
        kind="outcome",
        sync_name=run.sync_name,
        account=run.account,
        run_id=run.run_id,
        attempt_id=attempt_id,
        outcome=outcome.kind,
        http_status=outcome.http_status,
        job=outcome.job or pending.job or None,
        detail=without_people(outcome.detail),
        received_at=at,
        at=at,
        **repeated,
    )


def ended(
    run: RunName,
    at: datetime,
    is_complete: bool,
    requests: int,
    not_before: datetime | None,
    http_status: int | None,
    detail: str,
) -> Delivery:
    """The end of a run."""
    return Delivery(
        kind="run",
        sync_name=run.sync_name,
        account=run.account,
        run_id=run.run_id,
        op_id=run.run_id,
        attempt_id=run.run_id,
        recipient_key="",
        generation=0,
        mapping_version=0,
        outcome="delivered" if is_complete else "retry",
        http_status=http_status,
        requests=requests,
        not_before=not_before,
        detail=without_people(detail),
        received_at=at,
        at=at,
    )


def said_about(
    sync_name: str, kind: Literal["resync", "approval"], detail: str, about: str = ""
) -> Delivery:
    """A person's or a schedule's word about a whole sync: a resync, or an approval of the plan `about`."""
    word_id = str(new_record_id())
    return Delivery(
        kind=kind,
        sync_name=sync_name,
        op_id=about or word_id,
        attempt_id=word_id,
        recipient_key="",
        generation=0,
        mapping_version=0,
        detail=detail,
    )
