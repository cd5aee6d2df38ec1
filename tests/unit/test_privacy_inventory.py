"""The inventory knows every stream, every raw column, every column of a public model and every place of a home."""

import ast

import pytest
import yaml

from ingestion.contracts import STREAMS
from ingestion.settings import Settings
from orchestration.privacy.inventory import Kept, load_inventory, retention
from orchestration.privacy.tombstones import Records
from orchestration.warehouse.schema import raw_tables
from tests.conftest import ROOT

INVENTORY = load_inventory()
SEEDS = ROOT / "dbt_project/seeds/purposes.csv"
HOMES = {
    f"{name}.home{resolved}"
    for name in ("settings", "configured")
    for resolved in ("", ".resolve()")
}


def test_every_stream_is_in_the_inventory_and_nothing_else_is():
    assert set(INVENTORY.streams) == set(STREAMS)


def test_every_raw_column_is_in_the_inventory():
    unknown = [
        f"{table}.{column}"
        for table, columns in raw_tables().items()
        for column in columns
        if INVENTORY.column(table, column) is None
    ]
    assert not unknown


def test_every_column_of_a_public_model_is_in_the_inventory():
    unknown = []
    for path in (ROOT / "dbt_project/models").rglob("*.yml"):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            if model.get("config", {}).get("contract", {}).get("enforced"):
                unknown += [
                    f"{model['name']}.{column['name']}"
                    for column in model["columns"]
                    if INVENTORY.column(model["name"], column["name"]) is None
                ]
    assert not unknown


def test_a_column_that_nobody_thought_of_is_unknown():
    assert INVENTORY.column("dim_profiles", "shoe_size") is None
    assert INVENTORY.column("events", "identifiers") == "identifier"


def test_every_place_of_a_home_is_in_the_inventory(tmp_path):
    """Whatever the code names under the home: as an attribute of the settings, or as `home / "name"`."""
    settings = Settings(home=tmp_path)
    paths = (
        getattr(settings, name)
        for name in ("landing", "warehouse", "published", "outbox", "keys", "tenants")
    )
    named = {path.relative_to(tmp_path.resolve()).parts[0] for path in paths}
    for folder in ("ingestion", "orchestration"):
        for file in (ROOT / folder).rglob("*.py"):
            named |= set(_beside_home(ast.parse(file.read_text("utf-8"))))
    assert {"dagster", "logs", "plans", "connectors"} <= named
    assert not named - set(INVENTORY.places)


def _beside_home(tree: ast.AST):
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and isinstance(node.right, ast.Constant)
            and isinstance(node.right.value, str)
            and ast.unparse(node.left) in HOMES
        ):
            yield node.right.value


def test_purposes_are_those_of_the_seed():
    known = {line.partition(",")[0] for line in SEEDS.read_text().splitlines()[1:]}
    named = {p for stream in INVENTORY.streams.values() for p in stream.purposes}
    assert named <= known


@pytest.mark.parametrize(
    ("name", "kept", "says"),
    [
        ("identity_changes", {"days": 30}, "the present is made of all of it"),
        ("rejects", {"days": 30, "purpose": "marketing"}, "none of its purposes"),
        ("rejects", {"days": 30, "names": ["x"]}, "only events have types and names"),
    ],
)
def test_what_cannot_age_so_is_told_in_a_sentence(name, kept, says):
    stream = INVENTORY.streams[name].model_copy(update={"kept": [Kept(**kept)]})
    streams = INVENTORY.streams | {name: stream}
    with pytest.raises(ValueError, match=f"{name}: .*{says}"):
        retention(INVENTORY.model_copy(update={"streams": streams}))


def test_a_rule_names_the_records_that_it_is_about():
    kept = Kept(days=760, purpose="marketing", types=("page",), names=("Home",))
    events = INVENTORY.streams["events"].model_copy(update={"kept": [kept]})
    rules = retention(INVENTORY.model_copy(update={"streams": {"events": events}}))
    assert rules == {Records("events", (), ("page",), ("Home",)): 760}
