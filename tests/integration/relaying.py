"""A platform with a read copy made by the real dbt project, for tests of the relay: people who agreed, and who did not.

The journeys and destinations are the test's own; what a destination was told is read from the files it left.
"""

import csv
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from ingestion.contracts import Event
from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.warehouse.facts import land_facts
from orchestration.warehouse.loading import load
from orchestration.warehouse.publishing import publish
from tests.dbt import dbt
from tests.landed import event

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DECLARED = {
    "name": "recovery",
    "description": "A test's.",
    "owner": "tests",
    "entry": {"trigger": "cart_abandoned"},
    "instance_key": ["cart_id"],
    "purpose": "marketing",
    "channel": "email",
    "recipient": "email",
    "reentry": "always",
    "exits": {"events": ["order_completed"], "after": "7d"},
    "caps": {"24h": 2},
    "max_age": "2d",
    "destination": "drop",
    "payload": {"trigger": ["cart_value"]},
}


def settings(folder: Path) -> Settings:
    return Settings(
        home=folder / "home",
        sources_dir=folder / "sources",
        journeys_dir=folder / "journeys",
        destinations_file=folder / "destinations.yml",
    )


def declared(folder: Path) -> Settings:
    """The folders and declarations of a platform without records."""
    found = settings(folder)
    found.sources_dir.mkdir(parents=True)
    found.journeys_dir.mkdir()
    source = {
        "source_id": "shop",
        "kind": "events",
        "description": "A shop.",
        "owner": "tests",
    }
    (found.sources_dir / "shop.yml").write_text(yaml.safe_dump(source))
    (found.journeys_dir / "recovery.yml").write_text(yaml.safe_dump(DECLARED))
    drop = {"name": "drop", "kind": "file_drop", "folder": "."}
    found.destinations_file.write_text(yaml.safe_dump({"destinations": [drop]}))
    return found


def refresh(home: Settings, as_of: datetime) -> None:
    """What the job refresh does, without the pulls and the pictures."""
    load(home)
    moment = as_of.astimezone(UTC).replace(tzinfo=None)
    dbt(
        home.warehouse,
        *("build", "--quiet", "--exclude-resource-type", "unit_test", "test"),
        *("--select", "+int_journey_triggers"),
        as_of=moment.isoformat(),
    )
    land_facts(home, moment)
    publish(home)


def twin(made: Settings, folder: Path) -> Settings:
    """The same platform once more, to be told something else."""
    shutil.copytree(made.home.parent, folder, ignore=shutil.ignore_patterns("locks"))
    return settings(folder)


def said(name: str, minutes: float, what: str, *types: str, **fields: object) -> Event:
    """An event of somebody whose identifiers all carry their name, so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    values = {
        "user_id": name,
        "email": f"{name}@x.example",
        "anonymous_id": f"{name}-laptop",
    }
    named = [{"type": t, "value": values[t]} for t in types or ("user_id",)]
    return event(
        f"{what} {name} {minutes}",
        **{
            "source_id": "shop",
            "name": what,
            "occurred_at": at,
            "received_at": at,
            "identifiers": named,
            "properties": None,
            **fields,
        },
    )


def cart(
    name: str, minutes: float, cart_id: str, *types: str, **fields: object
) -> Event:
    """The trigger, as the collector lands it."""
    return said(
        name,
        minutes,
        "cart_abandoned",
        *types or ("email",),
        properties={"cart_id": cart_id, "cart_value": 12.5, "currency": "EUR"},
        shape="trigger",
        contract="trigger/cart_abandoned",
        **fields,
    )


def agreed(name: str, status: str = "granted", minutes: float = -600) -> Event:
    purpose = {"purpose": "marketing", "channel": "email", "status": status}
    return said(
        name, minutes, "Consent Updated", "user_id", "email", properties=purpose
    )


def told(home: Settings) -> list[tuple[str, str]]:
    """(recipient, cart) of everything the destination was told, sorted; twice if it was told twice."""
    rows = []
    for path in home.outbox.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                attributes = json.loads(row["attributes"])
                rows.append((row["recipient"], attributes["instance_key"]))
    return sorted(rows)


def decisions(home: Settings) -> dict[str, str]:
    """Candidate's event → the last decision in the landing zone about it."""
    rows = read_tail(home.landing, "journey_decisions", set())
    found = sorted(rows, key=lambda row: str(row["record_id"]))
    return {row["candidate_id"].partition("|")[2]: row["outcome"] for row in found}


def environment(home: Settings, crash_at: str = "") -> dict[str, str]:
    """What a child process needs to work on this platform."""
    return {
        **os.environ,
        "MILLRACE_HOME": str(home.home),
        "MILLRACE_SOURCES_DIR": str(home.sources_dir),
        "MILLRACE_JOURNEYS_DIR": str(home.journeys_dir),
        "MILLRACE_DESTINATIONS_FILE": str(home.destinations_file),
        "MILLRACE_CRASH_AT": crash_at,
    }
