"""The JSON Schemas that ship are those of the contracts, and real lines satisfy them."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ingestion.contracts import schemas
from ingestion.landing import new_record_id
from tests.landed import event
from tests.unit.test_triggers import SHIPPED


def test_the_schemas_that_ship_are_those_of_the_contracts() -> None:
    found = {path.name: path.read_text() for path in schemas.FOLDER.glob("*.json")}
    assert found == schemas.generated(SHIPPED), "run `python -m ingestion schemas`"


def test_writing_them_changes_what_differs_and_nothing_else(tmp_path: Path) -> None:
    everything = schemas.write(SHIPPED, tmp_path)
    assert "events.json" in everything
    assert "trigger.nps_submitted.v2.json" in everything
    (tmp_path / "events.json").write_text("{}")
    (tmp_path / "gone.json").write_text("{}")
    assert schemas.write(SHIPPED, tmp_path) == ["events.json", "gone.json"]
    assert schemas.write(SHIPPED, tmp_path) == []


def test_a_line_has_what_its_schema_requires_and_nothing_else() -> None:
    schema = json.loads((schemas.FOLDER / "events.json").read_text())
    line = json.loads(event("e-1").to_line(new_record_id()))
    assert set(line) == set(schema["required"]) == set(schema["properties"])
    assert line["stream"] == schema["properties"]["stream"]["const"]


@pytest.mark.parametrize("path", sorted(schemas.FOLDER.glob("*.json")))
def test_each_is_an_object_s_schema(path: Path) -> None:
    schema = TypeAdapter(dict[str, object]).validate_json(path.read_bytes())
    assert schema["$schema"] == schemas.DIALECT
    assert schema["type"] == "object"
