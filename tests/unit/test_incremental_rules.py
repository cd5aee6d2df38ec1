"""The rules that incremental tables are built by, as far as files alone can show."""

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2] / "dbt_project"


def test_every_var_that_changes_what_a_model_says_is_a_rule() -> None:
    declared = set(yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"])
    marks = (PROJECT / "macros/incremental/marks.sql").read_text()
    body = marks.split("macro rule_vars()")[1].split("endmacro")[0]
    # These rooms hold nothing incremental: an edited threshold recomputes nothing.
    anew = {"observability", "activation", "privacy"}
    assert not any(
        "materialized='incremental'" in path.read_text()
        for room in anew - {"observability"}
        for path in (PROJECT / "models" / room).glob("*.sql")
    )
    building = [
        path.read_text()
        for path in PROJECT.rglob("m*/**/*.sql")
        if not anew & set(path.parts)
    ]
    read = {n for n in declared if any(f"var('{n}'" in text for text in building)}

    # In memory or in SQL, components are the same.
    no_rules = {"as_of", "components_in_memory"}
    assert set(re.findall(r"'(\w+)'", body)) == read - no_rules
