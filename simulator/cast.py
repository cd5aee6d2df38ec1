"""The cast: people with stories, from tests/data/cast.yml to the calls they make and the rows others hold of them.

What must be true of them stands beside each story, under `expect`; comparing is the tests'.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from simulator.calls import Call, Json, iso
from simulator.extracts import CUSTOMER_COLUMNS, ORDER_COLUMNS
from simulator.people import AGENTS

SOURCES = {"browser": "web_shop", "server": "shop_backend", "mail": "mailing_tool"}
FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "crm_customers": ("crm/customers.csv", CUSTOMER_COLUMNS),
    "billing_orders": ("billing/orders.csv", ORDER_COLUMNS),
    "billing_payments": ("billing/payments.ndjson", ()),
}


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Repeat(Strict):
    count: int
    minutes: int


class Happening(Strict):
    """One line under `events`; the head of the file explains the fields."""

    by: Literal["browser", "server", "mail"]
    at: datetime
    arrives: datetime | None = None
    times: int = 1
    clock: float = 0
    written: str | None = None
    repeat: Repeat | None = None
    id: str | None = None
    cookie: str | None = None
    user: str | int | None = None
    page: str | None = None
    track: str | None = None
    identify: Json | None = None
    alias: str | None = None
    event: str | None = None
    customer: str | None = None
    email: str | None = None
    identity: str | None = None
    properties: Json = Field(default={}, alias="with")


class Audience(Strict):
    members: tuple[str, ...] = Field(default=(), alias="in")
    others: tuple[str, ...] = Field(default=(), alias="out")


class Sync(Strict):
    sent: tuple[str, ...] = ()
    not_sent: dict[str, str] = {}


class Expect(Strict):
    """What must come out. Identifiers are `type:value`."""

    profiles: int
    events: int
    together: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    sessions: dict[str, int] = {}
    orders: dict[str, Json] = {}
    audiences: dict[str, Audience] = {}
    attributes: dict[str, dict[str, str]] = {}
    consent: dict[str, dict[str, str]] = {}
    times: dict[str, datetime] = {}
    syncs: dict[str, Sync] = {}


class Story(Strict):
    """One member of the cast."""

    story: str
    events: tuple[Happening, ...] = ()
    rows: dict[str, tuple[Json, ...]] = {}
    expect: Expect


@dataclass(frozen=True)
class Cast:
    as_of: datetime
    people: dict[str, Story]

    def calls(self) -> list[Call]:
        """Everybody's calls in the order they are sent."""
        calls = [
            call
            for name, story in self.people.items()
            for call in calls_of(name, story)
        ]
        return sorted(calls, key=lambda call: call.arrives_at)

    def files(self) -> dict[str, bytes]:
        """The extracts that hold the cast's rows: file name → bytes."""
        files = {}
        for source, (file, columns) in FILES.items():
            rows = [
                row
                for story in self.people.values()
                for row in story.rows.get(source, ())
            ]
            files[file] = _csv(rows, columns) if columns else _ndjson(rows)
        return files


def load_cast(path: Path) -> Cast:
    """Read the stories. Raises pydantic's ValidationError for a field that is not in the grammar."""
    told = yaml.safe_load(path.read_text("utf-8"))
    people = {
        name: Story.model_validate(story) for name, story in told["people"].items()
    }
    return Cast(told["as_of"].astimezone(UTC), people)


def calls_of(name: str, story: Story) -> Iterator[Call]:
    """The calls of one story; an event without an id gets the story's name and its place."""
    for place, happening in enumerate(story.events, start=1):
        repeat = happening.repeat or Repeat(count=1, minutes=0)
        for number in range(1, repeat.count + 1):
            at = happening.at + timedelta(minutes=repeat.minutes * (number - 1))
            message_id = happening.id or f"{name}-{place}-{number}"
            body = _numbered(_body(happening, message_id, at), number)
            call = Call(
                source_id=SOURCES[happening.by],
                body=body,
                at=at,
                arrives_at=happening.arrives or at,
                skew=timedelta(hours=happening.clock),
            )
            yield from [call] * happening.times


def _body(happening: Happening, message_id: str, at: datetime) -> Json:
    written = happening.written or iso(at.astimezone(UTC))
    if happening.by == "browser":
        return _browser(happening, message_id, written)
    named = {"customer_id": happening.customer, "email": happening.email}
    body: Json = {"event_id": message_id, "timestamp": written}
    if happening.by == "server":
        given = {field: value for field, value in named.items() if value is not None}
        return {
            **body,
            **given,
            "event": happening.event,
            "properties": happening.properties,
        }
    return {
        **body,
        "event_type": "track",
        "event_name": happening.event,
        "identity": happening.identity,
        "payload": happening.properties,
    }


def _browser(happening: Happening, message_id: str, written: str) -> Json:
    body: Json = {
        "messageId": message_id,
        "timestamp": written,
        "context": {"userAgent": AGENTS["desktop"]},
    }
    if happening.cookie is not None:
        body["anonymousId"] = happening.cookie
    if happening.user is not None:
        body["userId"] = happening.user
    if happening.page is not None:
        page = {"path": happening.page, "url": f"https://shop.example{happening.page}"}
        body["context"]["page"] = page
        return {**body, "type": "page", "name": happening.page}
    if happening.identify is not None:
        return {**body, "type": "identify", "traits": happening.identify}
    if happening.alias is not None:
        return {**body, "type": "alias", "previousId": happening.alias}
    return {
        **body,
        "type": "track",
        "event": happening.track,
        "properties": happening.properties,
    }


def _numbered(value: Any, number: int) -> Any:
    """`{n}` in every text becomes the number."""
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, dict):
        return {key: _numbered(inner, number) for key, inner in value.items()}
    return value


def _csv(rows: list[Json], columns: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: _cell(value) for name, value in row.items()} for row in rows
    )
    return text.getvalue().encode()


def _ndjson(rows: list[Json]) -> bytes:
    lines = [
        json.dumps({name: _cell(value) for name, value in row.items()}) for row in rows
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _cell(value: Any) -> Any:
    return iso(value.astimezone(UTC)) if isinstance(value, datetime) else value
