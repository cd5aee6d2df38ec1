"""Which columns an audience is made from, all the way up, by sqlglot over the models' own SQL.

An audience is made from every column that it returns, filters, joins or groups by. A column of another model is made
from the columns that its value comes from. It ends at the records as they came and at who is who: the columns of
staging and identity are made from nothing else here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope

from orchestration.audience.fields import declared
from orchestration.audience.rendering import DBT_PROJECT, model_file, rendered

ANY_TIME = datetime(2026, 1, 31)


@dataclass(frozen=True, order=True)
class Column:
    model: str
    name: str

    def __str__(self) -> str:
        return f"{self.model}.{self.name}"


class Columns:
    """The names that a query returns, as far as it says them."""

    def __init__(self, query: exp.Query) -> None:
        self.ctes = {cte.alias: cte.this for cte in query.ctes}
        self.names = self._of(query)

    def _of(self, query: exp.Expr) -> list[str]:
        if isinstance(query, exp.SetOperation):
            return self._of(query.this)
        if not isinstance(query, exp.Select):
            return []
        if query.is_star and len(query.expressions) == 1:
            inner = self.ctes.get(query.args["from_"].this.name)
            return self._of(inner) if inner is not None else []
        return [each.alias_or_name for each in query.expressions if not each.is_star]


class Lineage:
    """The models of the project, each read once."""

    def __init__(self) -> None:
        self._scopes: dict[str, Scope] = {}
        self._used: dict[str, list[Column]] = {}

    def purposes(self, column: Column) -> list[str] | None:
        """The purposes that a column may be used for; None when nothing is said."""
        found: list[str] | None = (
            self._columns(column.model).get(column.name, {}).get("purposes")
        )
        return found

    def used_by(self, sql: str) -> list[Column]:
        """Every column that decides who is in an audience, or is told about them."""
        if sql not in self._used:
            query = pushdown_projections(self._qualified(sql))
            found = {
                column
                for scope in traverse_scope(query)
                for column in _physical(scope, scope.columns)
            }
            self._used[sql] = sorted(found)
        return self._used[sql]

    def upstream(self, column: Column) -> Iterator[Column]:
        """What a column's value is made from; of an audience, what its membership is."""
        if not self._is_model(column.model) or _ends_at(column.model):
            return
        if column.model.startswith("audience_"):
            yield from self.used_by(_text(column.model))
            return
        try:
            scope = self._scope(column.model)
        except (
            OptimizeError
        ):  # a table function: then it may come from anything it reads
            yield from self._everything_read(column.model)
            return
        if scope is not None:
            yield from sorted(set(_traced(scope, column.name, set())))

    def _everything_read(self, model: str) -> Iterator[Column]:
        for read, columns in self._schema(_text(model)).items():
            for name in columns:
                yield Column(read, name)

    def _scope(self, model: str) -> Scope | None:
        if model not in self._scopes:
            built = build_scope(self._qualified(_text(model)))
            if built is None:
                return None
            self._scopes[model] = built
        return self._scopes[model]

    def _qualified(self, text: str) -> exp.Expr:
        sql = rendered(text, ANY_TIME, relation=str)
        return qualify(
            sqlglot.parse_one(sql, dialect="duckdb"),
            schema=self._schema(text),
            dialect="duckdb",
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )

    def _schema(self, text: str) -> dict[str, Any]:
        read: set[str] = set()

        def named(model: str) -> str:
            read.add(model)
            return model

        rendered(text, ANY_TIME, relation=named)
        return {
            model: dict.fromkeys(self._columns(model), "text")
            for model in sorted(read)
            if self._is_model(model)
        }

    def _columns(self, model: str) -> dict[str, dict[str, Any]]:
        if not self._is_model(model):
            return {}
        return {
            column["name"]: column.get("config", {}).get("meta", {})
            for column in declared(model)["columns"]
        }

    def _is_model(self, name: str) -> bool:
        return name in self._models

    @cached_property
    def _models(self) -> frozenset[str]:
        return frozenset(path.stem for path in (DBT_PROJECT / "models").rglob("*.sql"))


def _ends_at(model: str) -> bool:
    return model_file(model).parent.name in ("staging", "identity")


def _text(model: str) -> str:
    return model_file(model).read_text("utf-8")


def _physical(scope: Scope, columns: Sequence[exp.Column]) -> Iterator[Column]:
    for column in columns:
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            yield Column(source.name, column.name)


def _traced(scope: Scope, name: str, seen: set[tuple[int, str]]) -> Iterator[Column]:
    """The columns of models that a scope's column takes its value from."""
    if (id(scope), name) in seen:
        return
    seen.add((id(scope), name))
    query = scope.expression
    if not isinstance(query, exp.Query):
        return
    for branch in scope.set_operation_scopes:
        assert isinstance(branch.expression, exp.Query)
        place = query.named_selects.index(name)
        yield from _traced(branch, branch.expression.named_selects[place], seen)
    for projection in query.selects if isinstance(query, exp.Select) else []:
        if projection.alias_or_name == name:
            for column in projection.find_all(exp.Column):
                source = scope.sources.get(column.table)
                if isinstance(source, exp.Table):
                    yield Column(source.name, column.name)
                elif isinstance(source, Scope):
                    yield from _traced(source, column.name, seen)
