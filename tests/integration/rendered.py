"""Models of one room on a bare DuckDB connection: rendered with the project's own macros, run in the order of their refs.

A refresh takes milliseconds here, so a test can afford hundreds of them. What dbt does around the SQL is done by hand:
views, tables, replaced keys, marks. What lies before the room the test supplies as tables. That dbt itself does the
same is shown by the tests that run dbt. Models that ask is_incremental() are built in full, so only their first refresh
is right here.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any, ClassVar

import duckdb
import jinja2
import yaml

from orchestration.warehouse.schema import create_raw
from tests.conftest import ROOT

PROJECT = ROOT / "dbt_project"
MARKS = "staging.incremental_marks"
LOGICAL_TIME = "logical time"


class Adapter:
    @jinja2.pass_context
    def dispatch(self, context: Any, name: str, package: str) -> Any:
        return context.resolve(f"duckdb__{name}")


class Dbt:
    """dbt's own macros that the models use, as DuckDB has them."""

    def type_string(self) -> str:
        return "varchar"

    def datediff(self, first: str, second: str, part: str) -> str:
        return f"date_diff('{part}', {first}, {second})"

    def dateadd(self, part: str, number: int | str, moment: str) -> str:
        return f"date_add({moment}, interval ({number}) {part})"


class Model:
    """One rendered model: its SQL, its config, what it reads."""

    def __init__(self, sql: str, config: dict[str, Any], refs: set[str]) -> None:
        self.sql, self.refs = sql, refs
        self.kind = config.get("materialized", "table")
        self.key = config.get("unique_key")
        self.touched = config.get("meta", {}).get("touched")
        hook = re.search(r"remember\((\{.*\})\)", config.get("post_hook", ""), re.S)
        self.inputs: dict[str, str] = ast.literal_eval(hook[1]) if hook else {}


class Room:
    """Models and all they need, down to raw tables, seeds and what the test supplies."""

    _rendered: ClassVar[dict[tuple[str, bool], Model]] = {}

    def __init__(self, *targets: str, supplied: Mapping[str, str], as_of: str) -> None:
        """`supplied` maps a model that the test fills itself to its columns."""
        self.as_of, self.supplied = as_of, supplied
        self.files = {p.stem: p for p in (PROJECT / "models").rglob("*.sql")}
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute("set disabled_optimizers = 'outer_join_simplification'")
        create_raw(self.connection)
        for folder in {path.parent.name for path in self.files.values()} | {"seeds"}:
            self.connection.execute(f"create schema if not exists {folder}")
        for name, columns in supplied.items():
            self.connection.execute(f"create table {self.relation(name)} ({columns})")
        self.connection.execute(
            f"create table {MARKS} (model varchar, input varchar, mark bigint)"
        )
        self.order = list(self._sorted(targets))

    def relation(self, name: str) -> str:
        path = self.files.get(name)
        return f"{path.parent.name}.{name}" if path else f"seeds.{name}"

    def refresh(self, stop_after: int | None = None) -> None:
        """Build every model, or only so many: a run that was killed."""
        for name in self.order[:stop_after]:
            self._build(name)

    def forget(self) -> None:
        """Nothing was ever built."""
        for name in self.order:
            kind = "view" if self._model(name).kind == "view" else "table"
            self.connection.execute(f"drop {kind} if exists {self.relation(name)}")
        self.connection.execute(f"delete from {MARKS}")

    def edit_rules(self, sql: str) -> None:
        """A seed or a source is edited: no mark counts any more."""
        self.connection.execute(sql)
        self.connection.execute(f"delete from {MARKS}")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def render(self, text: str) -> str:
        """SQL that is no model, such as a data test."""
        return self._render("", text, False).sql.replace(LOGICAL_TIME, self.as_of)

    def _sorted(self, targets: tuple[str, ...]) -> Iterator[str]:
        graph: dict[str, set[str]] = {}
        waiting = list(targets)
        while waiting:
            name = waiting.pop()
            if name in graph or name in self.supplied:
                continue
            if name in self.files:
                graph[name] = self._model(name).refs
                waiting += graph[name]
            else:
                self._seed(name)
                graph[name] = set()
        for name in TopologicalSorter(graph).static_order():
            if name in self.files and name not in self.supplied:
                yield name

    def _seed(self, name: str) -> None:
        path = PROJECT / "seeds" / f"{name}.csv"
        self.connection.execute(
            f"create table if not exists seeds.{name} as "
            f"select * from read_csv('{path}', delim = ',', header = true)"
        )

    def _build(self, name: str) -> None:
        model, target = self._model(name), self.relation(name)
        sql = model.sql.replace(LOGICAL_TIME, self.as_of)
        run = self.connection.execute
        marks = self.ask(f"select 1 from {MARKS} where model = '{name}'")
        if model.touched and self._exists(name) and marks:
            run(f"create or replace temp table fresh as {sql}")
            touched = f"select {model.key} from {self.relation(model.touched)}"
            run(f"delete from {target} where {model.key} in ({touched})")
            run(f"insert into {target} by name select * from fresh")
        else:
            kind = "view" if model.kind == "view" else "table"
            run(f"create or replace {kind} {target} as {sql}")
        run(f"delete from {MARKS} where model = '{name}'")
        for read, column in model.inputs.items():
            run(
                f"insert into {MARKS} select '{name}', '{read}', "
                f"coalesce(max({column}), 0) from {self.relation(read)}"
            )

    def _exists(self, name: str) -> bool:
        schema, table = self.relation(name).split(".")
        return bool(
            self.ask(
                "select 1 from information_schema.tables "
                f"where table_schema = '{schema}' and table_name = '{table}'"
            )
        )

    def _model(self, name: str) -> Model:
        text = self.files[name].read_text("utf-8")
        held = re.findall(r"held\(\s*'(\w+)'", text)
        is_first = not all(self._exists(other) for other in held)
        if (name, is_first) not in self._rendered:
            self._rendered[name, is_first] = self._render(name, text, is_first)
        return self._rendered[name, is_first]

    def _consumers(self, touched: str) -> list[str]:
        """The models that name this one as their relation of touched keys."""
        named = f"'touched': '{touched}'"
        return [n for n, path in self.files.items() if named in path.read_text("utf-8")]

    def _render(self, name: str, text: str, is_first: bool) -> Model:
        config: dict[str, Any] = {}
        refs: set[str] = set()

        def ref(read: str) -> str:
            refs.add(read)
            return self.relation(read)

        def seen_by_consumers(read: str, column: str = "_load_id") -> str:
            marks = [
                f"(select coalesce(max(mark), 0) from {MARKS} "
                f"where model = '{consumer}' and input = '{read}')"
                for consumer in self._consumers(name)
            ]
            return f"least({', '.join(marks)})"

        def held(later: str, empty: str) -> str:
            return empty if is_first else f"select * from {self.relation(later)}"

        def configure(**given: Any) -> str:
            config.update(given)
            return ""

        template = environment().from_string(text)
        sql = template.render(
            {
                "config": configure,
                "ref": ref,
                "source": lambda schema, table: f"{schema}.{table}",
                "var": lambda name: variables()[name],
                "as_of": lambda: f"cast('{LOGICAL_TIME}' as timestamp)",
                "is_incremental": lambda: False,
                "seen_by_consumers": seen_by_consumers,
                "seen": lambda *_: 0,
                "held": held,
            }
        )
        return Model(sql, config, refs)


@functools.cache
def variables() -> dict[str, Any]:
    """The vars of the project."""
    found: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    return found["vars"]


@functools.cache
def environment() -> jinja2.Environment:
    """Jinja that knows the project's dialect macros."""
    made = jinja2.Environment(extensions=["jinja2.ext.do"])
    made.globals |= {
        "adapter": Adapter(),
        "dbt": Dbt(),
        "return": lambda value: value,
    }
    folders = [
        path
        for place in ("*.sql", "audiences/*", "events/*")
        for path in (PROJECT / "macros").glob(place)
    ]
    dialect = sorted((PROJECT / "macros/dialect").glob("*.sql"))
    texts = (path.read_text("utf-8") for path in [*dialect, *sorted(folders)])
    macros = vars(made.from_string("".join(texts)).module)
    made.globals |= {n: m for n, m in macros.items() if not n.startswith("_")}
    return made
