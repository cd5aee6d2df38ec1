"""Rejects after the fact: which there are, which were replayed, and taking them in once the cause is gone.

A replay reads the bytes as the door would now, as of the moment they first came: `received_at` stays, so clocks are
corrected and the future is judged as it would have been. What lands is flagged `replay:<record_id of the reject>`;
that flag is the only memory of replays, so nothing else can be lost or disagree with the landing zone.

An event can't be doubled by this: a reject that was replayed is passed over, and its events have ids of their own
sender, or ids made of the reject's, whenever and however often it is done.
"""

import base64
import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from ingestion.collector.app import BATCH_PATHS
from ingestion.collector.intake import of_item, opened, take_single
from ingestion.collector.limits import Limits, inflate
from ingestion.collector.parsing import encode, parse
from ingestion.collector.webhooks import WebhookSource, message_events, numbered
from ingestion.contracts import Event
from ingestion.contracts.clock import read_moment
from ingestion.contracts.mappings import AS_IT_COMES, EventMapping
from ingestion.contracts.refusals import WITHOUT_CONTENTS, Fault, Refused
from ingestion.contracts.shapes import Origin
from ingestion.contracts.triggers import Triggers
from ingestion.landing import LandingWriter, read_tail

REPLAY = "replay:"
TRIGGER_PREFIX = "/triggers/"
WEBHOOK_PART = "/webhooks/"
GROUP = 500
"""Events landed together."""

DONE = "replayed before"
UNKEPT = "its contents were not kept when it came"
IGNORED = "its topic is ignored by now"
EXTRACT = "a row of an extract; the next pull reads it again"

Row = dict[str, Any]
Done = dict[str, set[str]]


@dataclass(frozen=True)
class Filter:
    """Which rejects are meant; nothing given means all."""

    source: str | None = None
    code: str | None = None
    endpoint: str | None = None
    since: datetime | None = None
    record_id: str | None = None

    def means(self, row: Row) -> bool:
        given = (
            (self.source, row["source_id"]),
            (self.code, row["code"]),
            (self.endpoint, row["endpoint"]),
        )
        if any(wanted is not None and wanted != found for wanted, found in given):
            return False
        if self.record_id and not row["record_id"].startswith(self.record_id):
            return False
        return self.since is None or _moment(row["received_at"]) >= self.since


@dataclass
class Replayed:
    """What a replay did: every reject it looked at is in exactly one of the three."""

    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Reject and why it is refused still."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Reject and why it is not for replaying."""
    events: int = 0


class Replay:
    """Replays against the contracts of now."""

    def __init__(
        self,
        triggers: Triggers,
        webhooks: Mapping[str, WebhookSource] | None = None,
        limits: Limits | None = None,
        mappings: Mapping[str, EventMapping] | None = None,
    ) -> None:
        self._triggers, self._webhooks = triggers, webhooks or {}
        self._mappings = mappings or {}
        self._limits = limits or Limits()

    def events(self, row: Row) -> list[Event]:
        """What a reject becomes today. Raises Refused with the reason if it still is one."""
        origin = self._origin(row)
        if WEBHOOK_PART in row["endpoint"]:
            return self._flagged(row, self._webhook_events(row, origin))
        calls, origin = self._calls(row, origin)
        found = []
        for index, call in enumerate(calls):
            record_id = UUID(row["record_id"])
            stand_in = uuid5(record_id, str(index)) if len(calls) > 1 else record_id
            where = of_item(origin, index) if _is_whole_batch(row) else origin
            event = take_single(call, encode(call), where, self._limits, stand_in)
            found.append(event)
        return self._flagged(row, found)

    def _flagged(self, row: Row, events: list[Event]) -> list[Event]:
        """The stand-in may serve as an event's id, but the records are new ones, numbered when they land."""
        flag = f"{REPLAY}{row['record_id']}"
        return [
            event.model_copy(update={"record_id": None, "flags": [*event.flags, flag]})
            for event in events
        ]

    def _webhook_events(self, row: Row, origin: Origin) -> list[Event]:
        name = row["endpoint"].rpartition(WEBHOOK_PART)[2]
        if name not in self._webhooks:
            raise Refused("unknown_webhook", Fault("", f"{name} declares no webhook"))
        webhook = self._webhooks[name].webhook
        value, item = self._value(row), row["item"]
        messages = numbered(value, webhook) if item is None else [(item, value)]
        return [
            event
            for item, message in messages
            for event in message_events(message, webhook, origin, self._limits, item)
        ]

    def _calls(self, row: Row, origin: Origin) -> tuple[list[Any], Origin]:
        value = self._value(row)
        if _is_whole_batch(row):
            return opened(value, origin, self._limits)
        return [value], origin

    def _value(self, row: Row) -> Any:
        raw = row["raw"].encode()
        if row["encoding"] == "base64":
            raw = base64.b64decode(row["raw"])
        value, flaw = parse(inflate(raw, self._limits))
        if flaw:
            raise flaw
        return value

    def _origin(self, row: Row) -> Origin:
        known = row.get("envelope") or {}
        origin = Origin(
            source_id=row["source_id"],
            received_at=_moment(row["received_at"]),
            channel=known.get("channel", "server"),
            endpoint=row["endpoint"],
            call_type=known.get("call_type"),
            mapping=self._mappings.get(row["source_id"], AS_IT_COMES),
            is_single=row["item"] is None,
            idempotency_key=known.get("idempotency_key"),
            user_agent=known.get("user_agent"),
            headers=known.get("headers", {}),
            sent_at=known.get("sent_at"),
            context=known.get("context", {}),
        )
        if not row["endpoint"].startswith(TRIGGER_PREFIX):
            return origin
        name = row["endpoint"].removeprefix(TRIGGER_PREFIX)
        if name not in self._triggers:
            raise Refused("unknown_trigger", Fault("", f"no trigger is called {name}"))
        return replace(origin, trigger=self._triggers[name])


def find(root: Path, wanted: Filter) -> Iterator[Row]:
    """The rejects in the landing zone that are meant, oldest segment first."""
    return (row for row in read_tail(root, "rejects", set()) if wanted.means(row))


def replayed(root: Path) -> Done:
    """The rejects that landed events came from, by record id, and the ids of those events."""
    found = Done()
    marker = f'"{REPLAY}'.encode()
    for row in read_tail(root, "events", set(), containing=marker):
        for flag in row["flags"]:
            if flag.startswith(REPLAY):
                events = found.setdefault(flag.removeprefix(REPLAY), set())
                events.add(row["event_id"])
    return found


def replay(
    rows: Sequence[Row],
    done: Done,
    read: Callable[[Row], list[Event]],
    land: Callable[[Sequence[Event]], object],
) -> Replayed:
    """Take in what can be taken in by now, and say what became of each reject."""
    result, waiting = Replayed(), list[Event]()
    for row in rows:
        record_id = row["record_id"]
        landed = done.get(record_id, set())
        if not (row["endpoint"] or "").startswith("/"):
            result.skipped.append((record_id, EXTRACT))
            continue
        if row["code"] in WITHOUT_CONTENTS:
            result.skipped.append((record_id, UNKEPT))
            continue
        if landed and row["item"] is not None:
            result.skipped.append((record_id, DONE))
            continue
        try:
            # Of a whole batch, a kill may have landed a part.
            found = read(row)
            events = [each for each in found if each.event_id not in landed]
        except Refused as refusal:
            result.refused.append((record_id, f"{refusal.code}: {refusal}"))
            continue
        if not events:
            result.skipped.append((record_id, DONE if found else IGNORED))
            continue
        result.accepted.append(record_id)
        result.events += len(events)
        waiting += events
        if len(waiting) >= GROUP:
            land(waiting)
            waiting = []
    if waiting:
        land(waiting)
    return result


def replay_landed(
    home: Path, root: Path, wanted: Filter, reader: Replay, dry_run: bool = False
) -> Replayed:
    """Replay what is meant of the landing zone at `root`. One replay at a time; collectors may run beside it."""
    with alone(home):
        done, rows = replayed(root), list(find(root, wanted))
        if dry_run:
            return replay(rows, done, reader.events, len)
        with LandingWriter(root) as writer:
            return replay(rows, done, reader.events, writer.land)


def _is_whole_batch(row: Row) -> bool:
    return row["endpoint"] in BATCH_PATHS and row["item"] is None


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the platform's lock for replays. Raises ValueError if somebody has it."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "replay.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError("another replay is running; wait for it") from None
        yield


def _moment(text: str) -> datetime:
    return read_moment(text)[0]
