"""Models as SQL without dbt: their own text, the project's macros, a schema and name for each ref. Milliseconds instead of a dbt run.

The engine is DuckDB. A model that is incremental is rendered as if it were built from nothing. A test compares
audiences with what dbt compiles.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from ingestion.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
MACROS = ("dialect/*.sql", "audiences/*.sql", "*.sql")


class _Adapter:
    @jinja2.pass_context
    def dispatch(self, context: Any, name: str, package: str) -> Any:
        return context.resolve(f"duckdb__{name}")


class _Dbt:
    """dbt's own macros that audiences may use, as DuckDB has them."""

    def type_string(self) -> str:
        return "varchar"

    def datediff(self, first: str, second: str, part: str) -> str:
        return f"date_diff('{part}', {first}, {second})"


def model_file(name: str) -> Path:
    """Where a model is. Raises LookupError."""
    found = next((DBT_PROJECT / "models").rglob(f"{name}.sql"), None)
    if found is None:
        models = {path.stem for path in (DBT_PROJECT / "models").rglob("*.sql")}
        near = get_close_matches(name, models, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise LookupError(f"There is no model {name} under dbt_project/models.{hint}")
    return found


def relation_of(name: str) -> str:
    """A model's name in the warehouse: its schema is its folder. What is no model is a seed."""
    found = next((DBT_PROJECT / "models").rglob(f"{name}.sql"), None)
    return f"{found.parent.name}.{name}" if found else f"seeds.{name}"


def rendered(
    text: str,
    as_of: datetime,
    relation: Callable[[str], str] = relation_of,
) -> str:
    """The SQL of a model's text, refs named by `relation`."""
    return _environment(as_of).from_string(text).render(ref=relation)


@cache
def _environment(as_of: datetime) -> jinja2.Environment:
    made = jinja2.Environment(
        extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined
    )
    variables: Mapping[str, Any] = yaml.safe_load(
        (DBT_PROJECT / "dbt_project.yml").read_text("utf-8")
    )["vars"]
    made.globals |= {
        "adapter": _Adapter(),
        "dbt": _Dbt(),
        "return": lambda value: value,
        "execute": True,
        "config": lambda **_: "",
        "source": lambda schema, table: f"{schema}.{table}",
        "is_incremental": lambda: False,
        "seen": lambda *_: 0,
        "seen_by_all": lambda *_: 0,
        "seen_by_consumers": lambda *_: 0,
        "held": lambda _, empty: empty,
        "env_var": lambda name, default="": default,
        "var": lambda name, default=None: (
            as_of.isoformat() if name == "as_of" else variables.get(name, default)
        ),
    }
    paths = sorted(
        path for pattern in MACROS for path in (DBT_PROJECT / "macros").glob(pattern)
    )
    texts = "".join(path.read_text("utf-8") for path in paths)
    macros = vars(made.from_string(texts).module)
    made.globals |= {n: m for n, m in macros.items() if not n.startswith("_")}
    return made
