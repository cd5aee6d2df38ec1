"""What a destination is, and what passes between a plan and a destination.

Belongs here: the planned change, the sync, the answer, and the protocol every destination keeps. Not here: which
destinations exist (register), and when, how often and in what order they are called (delivery).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal, Protocol

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Action = Literal["enter", "update", "exit", "trigger"]
Mode = Literal["mirror", "upsert", "insert", "update", "events", "snapshot"]
Kind = Literal["delivered", "accepted", "rejected", "retry", "unknown"]

# What keeps a list the same as an audience; `trigger` starts something at the destination instead.
STATE_ACTIONS: frozenset[Action] = frozenset({"enter", "update", "exit"})


def _parsed(value: object) -> object:
    """A JSON column arrives as text from DuckDB."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _blank_is_none(value: object) -> object:
    """An empty cell of a CSV file."""
    return None if value == "" else value


class ActivationChange(BaseModel):
    """One row of the dbt model activation_changes: a planned operation on one recipient of one sync.

    Mirrors the model's enforced contract column by column; a test compares the two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sync_name: str
    op_id: str
    action: Action
    recipient_key: str
    recipient_type: str
    handle: str
    profile_id: str | None
    payload: Annotated[dict[str, Any] | None, BeforeValidator(_parsed)]
    payload_hash: str
    mapping_version: int
    generation: int
    reason: str
    is_blocked: bool
    blocked_by: str | None


class Sync(BaseModel):
    """One row of the seed syncs: which audience goes where, as whom, for what purpose.

    `state` retired takes back from the destination what the sync put there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sync_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    audience_name: str
    destination: str
    mode: Mode
    state: Literal["active", "retired"] = "active"
    recipient_type: str
    purpose: str
    channel: str
    mapping_version: int
    max_exit_percent: int
    max_enter_percent: int
    guard_floor: int
    may_be_empty: bool
    requests_per_minute: Annotated[int | None, BeforeValidator(_blank_is_none)] = None
    description: str


@dataclass(frozen=True)
class Outcome:
    """What became of one operation. `retry` means: certainly not applied.

    `handle` is what the destination knows the recipient by, when that is not what it was sent (a vendor's id, a hash):
    removals use it. `job` names the vendor's asynchronous job of an `accepted` operation, to be polled.
    """

    kind: Kind
    http_status: int | None = None
    detail: str | None = None
    handle: str | None = None
    job: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a destination said to one request.

    `outcomes` has one outcome per op_id; an operation it leaves out is unknown, never delivered. `refused` says
    that the request was refused for its content, so that its halves may fare better; `pause` asks for silence
    for so many seconds; `stop` says in a sentence why further requests of this sync are pointless.
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    refused: Outcome | None = None
    pause: float | None = None
    stop: str | None = None


@dataclass(frozen=True)
class Pace:
    """At most `requests` in any `seconds`, together with every other destination that names the same `account`."""

    requests: int
    seconds: float
    account: str


class Destination(Protocol):
    """Takes one batch and says what happened. Never sleeps, never retries, keeps no state of its own.

    `recipient_types` are the identifiers it knows people by (None: any) and `actions` what it can be asked for; the engine asks
    for nothing else. `updates_only`: it can be told of a person without making them known there. It keeps to `pace`, if
    there is one.
    """

    name: str
    batch_size: int
    actions: frozenset[Action]
    updates_only: bool
    pace: Pace | None

    @property
    def recipient_types(self) -> frozenset[str] | None: ...

    def send(self, sync: Sync, changes: Sequence[ActivationChange]) -> Answer:
        """Make one request for at most batch_size changes, in the order given. Never raises for what a network or a receiver does."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Polled(Protocol):
    """A destination that works asynchronously: it accepts operations as part of a job and can be asked about the job.

    It is asked once the job is `poll_after` old, and from then on each time that its age has doubled.
    """

    poll_after: timedelta

    def poll(self, sync: Sync, job: str) -> Outcome:
        """What became of the job, in one request: `accepted` while it runs. Never raises for what a network or a receiver does."""
        ...


class DestinationSettings(BaseModel):
    """The declaration of a destination in destinations.yml; every kind adds its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: str
    batch_size: int = Field(default=100, ge=1)


def every(changes: Iterable[ActivationChange], outcome: Outcome) -> dict[str, Outcome]:
    """The same outcome for every change."""
    return {change.op_id: outcome for change in changes}
