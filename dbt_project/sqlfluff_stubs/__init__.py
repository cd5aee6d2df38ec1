"""What sqlfluff needs to render models without dbt: the names that only dbt knows.

The macros themselves are the project's own, so sqlfluff lints what DuckDB is given. Nothing here runs in production.
"""

from typing import Any, ClassVar

import jinja2


class Adapter:
    """Dispatches to the DuckDB body of a macro, as dbt does."""

    @jinja2.pass_context
    def dispatch(self, context: Any, name: str, package: str) -> Any:
        return context.resolve(f"duckdb__{name}")


class Dbt:
    """dbt's own cross-database macros, as calls of the same name; its types as DuckDB's."""

    types: ClassVar = {"type_string": "varchar", "type_int": "integer"}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("type_"):
            return lambda: self.types.get(name, name.removeprefix("type_"))
        return lambda *arguments: f"{name}({', '.join(map(str, arguments))})"


adapter = Adapter()
dbt = Dbt()
execute = False


def give_back(value: Any) -> Any:
    return value


globals()["return"] = give_back
