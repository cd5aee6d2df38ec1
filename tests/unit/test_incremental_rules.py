"""The rules that incremental tables are built by, as far as files alone can show."""

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2] / "dbt_project"


def test_every_var_but_the_logical_time_is_a_rule() -> None:
    declared = set(yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"])
    marks = (PROJECT / "macros/incremental/marks.sql").read_text()
    body = marks.split("macro rule_vars()")[1].split("endmacro")[0]

    assert set(re.findall(r"'(\w+)'", body)) == declared - {"as_of"}
