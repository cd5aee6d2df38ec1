"""The records that the delivery loop lands: attempts, outcomes, and how a run ended.

Belongs here: what a record holds. When one is landed is the loop's business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, repeat
from operator import itemgetter
from typing import Literal

import orjson

from ingestion.contracts import Delivery
from ingestion.landing import new_record_id, new_record_ids
from orchestration.destinations.base import ActivationChange, Outcome
from orchestration.destinations.history import Pending

Written = tuple[bytes, bytes]
"""The number of an attempt within its run, and what `_about` wrote of its recipient."""

# What may point at a person in a destination's words: addresses, and digits as long as a phone number.
_PERSONAL = re.compile(r"[^\s@\"'<>=]+@[^\s@\"'<>]+|\+?\d[\d\s().-]{6,}\d")

# What the outcome of a job repeats of its attempt.
REPEATED = (
    "op_id",
    "recipient_key",
    "recipient_type",
    "profile_id",
    "handle",
    "action",
    "generation",
    "payload_hash",
    "mapping_version",
)


@dataclass(frozen=True)
class RunName:
    """What every record of a run names."""

    sync_name: str
    account: str
    run_id: str


def without_people(text: str | None) -> str | None:
    """A destination's words without addresses and numbers: receipts hold no more of a person than the handle."""
    return _PERSONAL.sub("***", text) if text else text


class Receipts:
    """The attempts and outcomes of one run, as the lines that their contract would write.

    There are two for each operation, so what many say alike is written once, and what an attempt says of its recipient
    is kept, as it was written, for its outcome.
    """

    def __init__(self, run: RunName) -> None:
        self._run, self._count = run, 0
        self._written: dict[str, Written] = {}
        self._alike: dict[Outcome | None, bytes] = {}

    def attempted(self, changes: Sequence[ActivationChange], at: datetime) -> bytes:
        """An attempt for each change."""
        numbers = [
            b"%d" % (self._count + place) for place in range(1, len(changes) + 1)
        ]
        self._count += len(changes)
        written = list(zip(numbers, _about(changes), strict=True))
        ops = [change.op_id for change in changes]
        self._written.update(zip(ops, written, strict=True))
        return self._lines(written, None, at)

    def settled(
        self,
        changes: Sequence[ActivationChange],
        outcomes: Mapping[str, Outcome],
        at: datetime,
    ) -> bytes:
        """The outcome of the attempt of each change."""
        alike: dict[Outcome, list[Written]] = {}
        last, same = None, list[Written]()
        for change in changes:
            outcome, written = outcomes[change.op_id], self._written.pop(change.op_id)
            if outcome.handle and outcome.handle != change.handle:
                written = written[0], _renamed(written[1], outcome.handle)
            if outcome is not last:
                last = outcome
                same = alike.setdefault(replace(outcome, handle=None), [])
            same.append(written)
        return b"".join(
            self._lines(written, outcome, at) for outcome, written in alike.items()
        )

    def _lines(
        self, written: Sequence[Written], outcome: Outcome | None, at: datetime
    ) -> bytes:
        """Whole lines, each with an id of its own: attempts, or outcomes of one kind."""
        if outcome not in self._alike:
            self._alike[outcome] = _alike(self._run, outcome)
        times = orjson.dumps({"received_at": at, "at": at}, option=orjson.OPT_UTC_Z)
        pieces = zip(
            repeat(b'{"record_id":"'),
            map(str.encode, new_record_ids(len(written))),
            repeat(b'","attempt_id":"%b.' % self._run.run_id.encode()),
            map(itemgetter(0), written),
            repeat(b'","op_id":'),
            map(itemgetter(1), written),
            repeat(b",%b,%b}\n" % (times[1:-1], self._alike[outcome])),
            strict=False,
        )
        return b"".join(chain.from_iterable(pieces))


def _about(changes: Sequence[ActivationChange]) -> list[bytes]:
    """What receipts say of each recipient: the inside of a JSON object, from the value of its op_id on.

    JSON writes no bare quote within a text, so what is split at can only stand between two objects.
    """
    rows = [
        {
            "op_id": change.op_id,
            "recipient_key": change.recipient_key,
            "recipient_type": change.recipient_type,
            "profile_id": change.profile_id,
            "handle": change.handle,
            "action": change.action,
            "generation": change.generation,
            "payload_hash": change.payload_hash,
            "mapping_version": change.mapping_version,
        }
        for change in changes
    ]
    return orjson.dumps(rows)[len(b'[{"op_id":') : -len(b"}]")].split(b'},{"op_id":')


def _renamed(about: bytes, handle: str) -> bytes:
    """The same of a recipient whom the destination knows by another handle."""
    row = orjson.loads(b'{"op_id":%b}' % about) | {"handle": handle}
    return orjson.dumps(row)[len(b'{"op_id":') : -len(b"}")]


def _alike(run: RunName, outcome: Outcome | None) -> bytes:
    """The fields that name neither a recipient nor a moment, as the inside of a JSON object."""
    record = Delivery(
        kind="outcome" if outcome else "attempt",
        sync_name=run.sync_name,
        account=run.account,
        run_id=run.run_id,
        op_id="",
        attempt_id="",
        recipient_key="",
        generation=0,
        mapping_version=0,
        outcome=outcome and outcome.kind,
        http_status=outcome and outcome.http_status,
        job=outcome and outcome.job,
        detail=without_people(outcome.detail) if outcome else None,
    )
    fields = orjson.loads(record.to_line(new_record_id()))
    for name in ("record_id", "received_at", "at", "attempt_id", *REPEATED):
        del fields[name]
    return orjson.dumps(fields)[1:-1]


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
