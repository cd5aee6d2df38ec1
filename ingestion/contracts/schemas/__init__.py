"""The contracts as JSON Schemas, for those who read or write records without Python. Generated, never edited:

python -m ingestion schemas

`<stream>.json` is a line of the landing zone, `trigger.<name>.v<major>.json` the properties of a trigger's call. A test
fails when a file and its contract differ.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ingestion.contracts import STREAMS
from ingestion.contracts.base import JsonObject, Landed
from ingestion.contracts.triggers import Triggers

FOLDER = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generated(triggers: Triggers) -> dict[str, str]:
    """File name → content, for every contract there is."""
    schemas = {name: _of_stream(model) for name, model in STREAMS.items()}
    schemas |= dict(_of_triggers(triggers))
    return {
        f"{name}.json": json.dumps({"$schema": DIALECT, **schema}, indent=2) + "\n"
        for name, schema in schemas.items()
    }


def write(triggers: Triggers, folder: Path = FOLDER) -> list[str]:
    """Write every schema, remove those whose contract is gone; the names of the files that changed."""
    wanted = generated(triggers)
    found = {path.name: path.read_text() for path in folder.glob("*.json")}
    for name in found.keys() - wanted.keys():
        (folder / name).unlink()
    for name, text in wanted.items():
        if found.get(name) != text:
            (folder / name).write_text(text)
    names = sorted(found.keys() | wanted.keys())
    return [name for name in names if found.get(name) != wanted.get(name)]


def _of_stream(model: type[Landed]) -> JsonObject:
    """A line has every field, numbered and with the name of its stream."""
    schema = model.model_json_schema(mode="serialization")
    schema["properties"]["record_id"] = {"type": "string", "format": "uuid"}
    schema["properties"]["stream"] = {"const": model.stream}
    schema["required"] = list(schema["properties"])
    return schema


def _of_triggers(triggers: Triggers) -> Iterator[tuple[str, JsonObject]]:
    for name, versions in triggers.items():
        for major, trigger in versions.by_major.items():
            yield f"trigger.{name}.v{major}", trigger.model.model_json_schema()
