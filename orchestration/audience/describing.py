"""The yml beside a compiled audience: what its rule file says of it, and the columns it tells."""

from typing import Any

import yaml

from orchestration.audience import fields
from orchestration.audience.rules import Rule

HEADER = (
    "-- Compiled from audiences/{name}.yml: edit that, then\n"
    "-- `python -m orchestration.audience compile`.\n"
)


def compiled_twin(name: str, rule: Rule) -> str:
    """The yml beside it."""
    traits = {c["name"]: c for c in fields.declared("dim_profiles")["columns"]}
    told = [
        {
            "name": column,
            "data_type": traits[column]["data_type"],
            "description": traits[column]["description"],
        }
        for column in rule.tell
    ]
    person = {
        "name": "profile_id",
        "data_type": "varchar",
        "description": "The person",
        "constraints": [{"type": "not_null"}],
    }
    described = {
        "name": f"audience_{name}",
        "description": rule.description,
        "config": {"meta": _meta(rule), "contract": {"enforced": True}},
        "columns": [person, *told],
    }
    text = yaml.safe_dump(
        {"version": 2, "models": [described]},
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
    return HEADER.format(name=name).replace("--", "#") + text


def _meta(rule: Rule) -> dict[str, Any]:
    meta: dict[str, Any] = {"owner": rule.owner, "purpose": rule.purpose}
    if rule.destinations:
        meta["destinations"] = list(rule.destinations)
    if rule.expected_size:
        meta["expected_size"] = rule.expected_size.model_dump(
            by_alias=True, exclude_none=True
        )
    if rule.holdout_percent is not None:
        meta["holdout_percent"] = float(rule.holdout_percent)
    if rule.holdout_salt:
        meta["holdout_salt"] = rule.holdout_salt
    return meta
