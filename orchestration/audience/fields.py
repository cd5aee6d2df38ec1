"""What a rule may ask: the columns of public models and their kinds, as the models' own yml files declare them."""

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ingestion.contracts.strict_yaml import read_yaml
from ingestion.settings import PROJECT_ROOT, settings

MODELS = PROJECT_ROOT / "dbt_project/models"
# What depends on the clock by its very name: told to a destination, it would be sent again without anything happening.
AGEING = re.compile(
    r"^days_since_|_\d+d$|^(engagement_score|churn_risk|recency_score|rfm_segment)$"
)
# A property as it was sent: names joined by dots.
LOOSE = re.compile(r"(properties|context)((?:\.[A-Za-z0-9_$ -]+)+)")


@dataclass(frozen=True)
class Source:
    """A kind of rows that can be asked, and what puts them in order."""

    model: str
    relation: str
    time: str | None = None
    ties: tuple[str, ...] = ()


PROFILES = Source("dim_profiles", "profiles")
EVENTS = Source("fct_profile_events", "events", "occurred_at", ("record_id",))
PURCHASES = Source("fct_orders", "orders", "ordered_at", ("order_id",))
ORDERS = Source("fct_orders", "orders", "last_event_at", ("order_id",))
ORDER_LINES = Source(
    "fct_order_lines", "order_lines", "ordered_at", ("order_id", "line_number")
)
SESSIONS = Source("fct_sessions", "sessions", "started_at", ("session_id",))
SUBSCRIPTIONS = Source("fct_subscriptions", "subscriptions")


@cache
def declared(model: str) -> dict[str, Any]:
    """What the yml beside a model says of it."""
    found = next(MODELS.rglob(f"{model}.yml"), None)
    if found is None:
        raise LookupError(f"There is no model {model} with a yml beside it.")
    described: dict[str, Any] = read_yaml(found)["models"][0]
    return described


def columns(model: str) -> dict[str, str]:
    """Column → data type of a public model."""
    return {
        column["name"]: column["data_type"] for column in declared(model)["columns"]
    }


def kind_of(source: Source, name: str) -> str:
    """text, number, boolean, time, or loose for what is text but may hold anything. Raises ValueError with a sentence."""
    if source is EVENTS and LOOSE.fullmatch(name):
        return "loose"
    known = {
        column: kind
        for column, data_type in columns(source.model).items()
        if (kind := _kind(data_type)) and not column.startswith("_")
    }
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
    beginning, _, path = name.partition(".")
    if source is EVENTS and path:
        start = get_close_matches(beginning, ("properties", "context"), n=1)
        hint = f"did you mean `{(start or ['properties'])[0]}.{path}`?"
    elif source is PROFILES:
        hint += f" Anything else that was told is `attribute: {name}`."
    elif source is EVENTS:
        hint += f" A property as it was sent is `properties.{name}`."
    raise ValueError(f"{source.model} has no field `{name}`; {hint}")


def values(source: Source, name: str) -> list[str]:
    """All that a column can be, where the test beside it says so; empty where it may be anything."""
    column = next(c for c in declared(source.model)["columns"] if c["name"] == name)
    for test in column.get("data_tests", []):
        if isinstance(test, dict) and "accepted_values" in test:
            return [*test["accepted_values"]["arguments"]["values"]]
    return []


def compared_as(source: Source, name: str) -> str:
    """As kind_of, but days apart from times."""
    if columns(source.model).get(name) == "date":
        return "date"
    return kind_of(source, name)


def _kind(data_type: str) -> str | None:
    if data_type.startswith(("decimal", "bigint", "integer")):
        return "number"
    return {
        "varchar": "text",
        "uuid": "text",
        "boolean": "boolean",
        "timestamp": "time",
        "date": "time",
    }.get(data_type)


def events() -> list[str]:
    """The canonical names that the taxonomy knows."""
    return sorted({row["canonical_name"] for row in _seed("event_taxonomy")})


def canonical_event(name: str) -> str | None:
    """What the taxonomy calls an event of this name, in snake case as the canonical ones are; None when it knows none."""
    known = {
        row["event_name"].replace(" ", "_"): row["canonical_name"]
        for row in _seed("event_taxonomy")
        if row["event_type"] == "track"
    }
    return known.get(name)


def canonical_path(path: str) -> str:
    """Under which path an attribute is kept that somebody spells so."""
    spelling = re.sub(r"[_ -]", "", path).lower()
    known = {row["spelling"]: row["path"] for row in _seed("attribute_paths")}
    return known.get(spelling, path)


def purposes() -> list[str]:
    return [row["purpose"] for row in _seed("purposes")]


def channels() -> list[str]:
    """The channels that somebody can agree to."""
    return sorted(
        {
            "all",
            *(row["channel"] for row in _seed("suppressing_events")),
            *(r["meaning"] for r in _seed("consent_words") if r["kind"] == "channel"),
        }
    )


def identifier_types() -> list[str]:
    return [row["identifier_type"] for row in _seed("identifier_types")]


def destinations() -> list[str]:
    """The names in destinations.yml."""
    file = settings().destinations_file
    declared = read_yaml(file) if file.exists() else None
    entries = declared.get("destinations", []) if isinstance(declared, dict) else []
    return [str(each["name"]) for each in entries if "name" in each]


@cache
def _seed(name: str) -> list[dict[str, str]]:
    path = PROJECT_ROOT / f"dbt_project/seeds/{name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def audiences() -> list[str]:
    """Names of the audiences that have a model, without the prefix."""
    folder: Path = MODELS / "audiences"
    return sorted(
        path.stem.removeprefix("audience_") for path in folder.glob("audience_*.sql")
    )
