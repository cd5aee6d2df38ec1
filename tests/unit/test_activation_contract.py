"""The seam between SQL and Python: ActivationChange and Sync mirror what dbt declares, column by column."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from ingestion.settings import PROJECT_ROOT
from orchestration.destinations.base import ActivationChange, Sync

PROJECT = PROJECT_ROOT / "dbt_project"
TYPES = {str: "varchar", int: "bigint", bool: "boolean", dict: "json"}


def data_type(annotation: Any) -> str:
    """The warehouse type that a Python annotation stands for."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return data_type(arguments[0])
    if origin is Literal:
        return TYPES[type(arguments[0])]
    if origin in (Union, types.UnionType):
        (inner,) = (each for each in arguments if each is not type(None))
        return data_type(inner)
    return TYPES[origin or annotation]


def mirrored(model: type) -> dict[str, str]:
    return {name: data_type(f.annotation) for name, f in model.model_fields.items()}


def test_activation_change_mirrors_the_enforced_contract():
    (declared,) = yaml.safe_load(
        (PROJECT / "models/activation/activation_changes.yml").read_text()
    )["models"]
    assert declared["config"]["contract"] == {"enforced": True}
    columns = {column["name"]: column["data_type"] for column in declared["columns"]}
    assert mirrored(ActivationChange) == columns


def test_columns_that_may_be_null_are_those_without_a_not_null_constraint():
    (declared,) = yaml.safe_load(
        (PROJECT / "models/activation/activation_changes.yml").read_text()
    )["models"]
    nullable = {
        column["name"]
        for column in declared["columns"]
        if {"type": "not_null"} not in column.get("constraints", [])
    }
    optional = {
        name
        for name, field in ActivationChange.model_fields.items()
        if type(None) in get_args(field.annotation)
    }
    assert optional == nullable


def test_sync_mirrors_the_seed():
    seeds = yaml.safe_load((PROJECT / "seeds/syncs.yml").read_text())["seeds"]
    (declared,) = (seed for seed in seeds if seed["name"] == "syncs")
    assert mirrored(Sync) == declared["config"]["column_types"]
    header = (PROJECT / "seeds/syncs.csv").read_text().splitlines()[0]
    assert header.split(",") == list(Sync.model_fields)
