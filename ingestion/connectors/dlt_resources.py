"""The dlt connector: whatever dlt has a source for. dlt extracts, and nothing else: rows land as all others do.

Its pipelines, schemas and destinations are not used. An optional extra: `pip install 'millrace[dlt]'`.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from ingestion.connectors.environment import expanded, plain_secrets, scrubbed
from ingestion.connectors.plain import plain
from ingestion.connectors.rows import (
    Connector,
    ExtractError,
    Reading,
    Row,
    Unreadable,
)


class DltResource(Connector):
    """One resource of a dlt source."""

    REMEDIES: ClassVar[dict[str, str]] = {
        "source": "name a function as module:function, such as dlt.sources.rest_api:rest_api_source",
        "resource": "name one of the source's resources",
        "arguments": "map the function's arguments, with secrets as ${NAME}",
    }

    connector: Literal["dlt"]
    source: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:function that makes a dlt source or resource",
    )
    resource: str | None = Field(
        default=None, min_length=1, description="Which one, if the source has several"
    )
    arguments: dict[str, Any] = Field(default={})

    @field_validator("arguments")
    @classmethod
    def _holds_no_secret(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        if told := sorted(set(plain_secrets(arguments))):
            raise ValueError(
                f"{', '.join(told)} stands in the file; put it into the environment and write ${{NAME}} in its place"
            )
        return arguments

    def read(self, reading: Reading) -> Iterator[Row | Unreadable]:
        with self._clearly():
            line = 0
            place = f"{self.source}/{self.resource or ''}".rstrip("/")
            for item in self._chosen():
                # some sources give tables instead of rows
                rows = item.to_pylist() if hasattr(item, "to_pylist") else [item]
                for values in rows:
                    line += 1
                    yield _row(values, place, line)

    def _chosen(self) -> Any:
        """The resource, ready to be read."""
        # dlt asks at import
        os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
        module, _, function = self.source.partition(":")
        made = getattr(importlib.import_module(module), function)(
            **expanded(self.arguments)
        )
        resources = getattr(made, "resources", None)
        if resources is None:
            return made
        wanted = self.resource or _only(list(resources))
        if wanted not in resources:
            raise ExtractError(
                f"{self.source} has no resource {wanted!r}; choose one of {', '.join(resources)}"
            )
        return made.with_resources(wanted)

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        """Whatever a source raises, as a sentence without secrets."""
        try:
            yield
        except ExtractError as error:
            raise ExtractError(f"{self.source}: {error}") from None
        except ModuleNotFoundError as error:
            hint = "install what is missing; dlt itself comes with pip install 'millrace[dlt]'"
            raise ExtractError(f"{self.source}: {error.msg}; {hint}") from None
        except Exception as error:
            said = scrubbed(str(error), self.arguments)
            _hang_up(error)
            raise ExtractError(
                f"{self.source} cannot be read ({type(error).__name__}: {said}); check `arguments` and credentials"
            ) from None


def _hang_up(error: BaseException | None) -> None:
    """Give back the connection of a refused request: dlt raises before the answer is read, and leaves it open."""
    while error is not None:
        close = getattr(getattr(error, "response", None), "close", None)
        if callable(close):
            close()
        error = error.__cause__ or error.__context__


def _only(resources: list[str]) -> str:
    if len(resources) != 1:
        raise ExtractError(
            f"say which `resource` is meant: {', '.join(resources) or 'there is none'}"
        )
    return resources[0]


def _row(values: Any, place: str, line: int) -> Row | Unreadable:
    if isinstance(values, dict):
        return Row(plain(values), place, line)
    raw = repr(values).encode()
    return Unreadable(
        place, line, "bad_item", "an item of the resource is no object", raw
    )
