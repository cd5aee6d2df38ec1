"""Reading journeys/*.yml: every mistake is a sentence with the file, the field and the nearest right name.

Which names exist is read from where they are declared: triggers, models, seeds, destinations.yml.
"""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ingestion.contracts.strict_yaml import read_yaml
from ingestion.contracts.triggers import load_triggers
from ingestion.settings import Settings
from orchestration.destinations.base import Sync
from orchestration.journeys.declarations import REMEDIES, Journey, JourneyError

COMPUTED = Path("models", "journeys", "int_computed_triggers.sql")


@dataclass(frozen=True)
class Known:
    """The names that a journey may use. `properties` holds those of every trigger."""

    properties: dict[str, frozenset[str]]
    audiences: frozenset[str]
    purposes: frozenset[str]
    events: frozenset[str]
    destinations: frozenset[str]
    syncs: frozenset[str]


def load_journeys(settings: Settings) -> list[Journey]:
    """Every declared journey, by name. Raises JourneyError with every mistake of every file."""
    paths = sorted(settings.journeys_dir.glob("*.yml"))
    known = _known(settings) if paths else None
    journeys = []
    mistakes = [
        f"{_place(path)}: journeys end in .yml; rename it"
        for path in sorted(settings.journeys_dir.glob("*.yaml"))
    ]
    for path in paths:
        try:
            journey = _read(path)
        except JourneyError as error:
            mistakes.append(str(error))
            continue
        assert known is not None
        mistakes += [f"{_place(path)}: {each}" for each in _unknown(journey, known)]
        journeys.append(journey)
    if mistakes:
        raise JourneyError("\n".join(mistakes))
    return journeys


def journey_syncs(settings: Settings) -> list[Sync]:
    """One sync per journey: each instance is told to its destination once."""
    return [as_sync(journey) for journey in load_journeys(settings)]


def as_sync(journey: Journey) -> Sync:
    return Sync.model_validate(
        {
            "sync_name": journey.name,
            "audience_name": journey.entry.name,
            "destination": journey.destination,
            "mode": "events",
            "recipient_type": journey.recipient,
            "purpose": journey.purpose,
            "channel": journey.channel,
            "mapping_version": 1,
            "max_exit_percent": 100,
            "max_enter_percent": 100,
            "guard_floor": 0,
            "may_be_empty": True,
            "description": journey.description,
        }
    )


def _read(path: Path) -> Journey:
    try:
        declared = read_yaml(path)
    except ValueError as error:
        raise JourneyError(str(error)) from error
    if not isinstance(declared, dict):
        raise JourneyError(f"{_place(path)} has to hold one journey: fields and values")
    try:
        found = Journey.model_validate(declared)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise JourneyError(
            "\n".join(f"{_place(path)}: {_sentence(each)}" for each in details)
        ) from error
    if path.stem != found.name:
        raise JourneyError(
            f"{_place(path)}: field `name` says {found.name!r}; a file is named after its journey, so rename one of them"
        )
    return found


def _sentence(detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"]] or ["entry"]
    field = f"field `{'.'.join(path)}`"
    if detail["type"] == "extra_forbidden":
        return f"{field} is unknown; {_nearest(path[-1], REMEDIES) or 'remove it'}"
    message = detail["msg"].removeprefix("Value error, ")
    remedy = next((REMEDIES[part] for part in reversed(path) if part in REMEDIES), "")
    if detail["type"] == "missing":
        return f"{field} is missing; {remedy}"
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        return f"{field}: {message}" if detail["loc"] else message
    return f"{field} is {detail['input']!r}, which cannot be: {message}; {remedy}"


def _unknown(journey: Journey, known: Known) -> Iterator[str]:
    """A sentence for each name that nothing declares."""
    trigger, exits = journey.entry.trigger, journey.exits
    audiences = (*journey.exclude, *journey.suppress, *exits.enters, *exits.leaves)
    if journey.entry.audience:
        audiences = (*audiences, journey.entry.audience)
    yield from _missing("trigger", [trigger] if trigger else [], known.properties)
    yield from _missing("audience", audiences, known.audiences)
    yield from _missing("purpose", [journey.purpose], known.purposes)
    yield from _missing("event", exits.events, known.events)
    yield from _missing("destination", [journey.destination], known.destinations)
    if journey.name in known.syncs:
        yield f"a sync of seeds/syncs.csv is named `{journey.name}`, too; rename one of them, or they share what was delivered"
    if trigger in known.properties:
        named = (*journey.instance_key, *journey.payload.trigger)
        kind = f"property of {trigger}"
        yield from _missing(kind, named, known.properties[trigger])


def _missing(
    kind: str, names: Collection[str], known: Collection[str]
) -> Iterator[str]:
    for name in sorted(set(names) - set(known)):
        hint = _nearest(name, known) or f"there are: {', '.join(sorted(known)[:20])}"
        yield f"there is no {kind} `{name}`; {hint}"


def _nearest(name: str, known: Collection[str]) -> str | None:
    found = get_close_matches(name, list(known), n=1)
    return f"did you mean `{found[0]}`?" if found else None


def _known(settings: Settings) -> Known:
    project = settings.dbt_project_dir
    properties = dict(_computed(project / COMPUTED))
    for name, versions in load_triggers(settings.triggers_dir).items():
        for trigger in versions.by_major.values():
            declared = frozenset(trigger.declaration.properties)
            properties[name] = properties.get(name, frozenset()) | declared
    audiences = (p.stem for p in (project / "models").rglob("audience_*.sql"))
    return Known(
        properties=properties,
        audiences=frozenset(name.removeprefix("audience_") for name in audiences),
        purposes=_column(project / "seeds" / "purposes.csv", "purpose"),
        events=_column(project / "seeds" / "event_taxonomy.csv", "canonical_name"),
        destinations=_destinations(settings.destinations_file),
        syncs=_column(project / "seeds" / "syncs.csv", "sync_name"),
    )


def _computed(model: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """The triggers that SQL computes, with their properties, as the model itself names them."""
    blocks = re.split(r"'(\w+)' as trigger_name", model.read_text("utf-8"))
    for name, block in zip(blocks[1::2], blocks[2::2], strict=True):
        yield name, frozenset(re.findall(r"'(\w+)':", block))


def _column(seed: Path, column: str) -> frozenset[str]:
    with seed.open(newline="", encoding="utf-8") as file:
        return frozenset(row[column] for row in csv.DictReader(file))


def _destinations(file: Path) -> frozenset[str]:
    content: Any = yaml.safe_load(file.read_text("utf-8")) if file.exists() else None
    entries = content.get("destinations", []) if isinstance(content, dict) else []
    return frozenset(str(each.get("name")) for each in entries)


def _place(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
