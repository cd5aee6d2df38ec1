"""Declarations compiled to pydantic models: what a call's properties are held against, and the catalogue of it all.

Strict types, so that a sender who goes by the JSON Schema and the door agree. Unknown properties are let in and named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from ingestion.contracts.base import JsonObject
from ingestion.contracts.clock import read_moment
from ingestion.contracts.refusals import Fault, Refused, from_pydantic
from ingestion.contracts.triggers.declarations import (
    Declaration,
    Property,
    PropertyType,
    TriggerError,
    read_declaration,
)

CODE = "invalid_trigger"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _moment(text: str) -> str:
    read_moment(text)
    return text


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-01-31") from None
    return text


def _formatted(check: Any, form: str) -> Any:
    schema = {"type": "string", "format": form}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


TYPES: dict[PropertyType, Any] = {
    "text": Annotated[str, AfterValidator(_not_blank)],
    "integer": int,
    "decimal": float,
    "boolean": bool,
    "timestamp": _formatted(_moment, "date-time"),
    "date": _formatted(_day, "date"),
    "list_of_text": list[str],
}


@dataclass(frozen=True)
class Trigger:
    """One major version, ready to judge calls."""

    declaration: Declaration
    model: type[BaseModel]

    @property
    def contract(self) -> str:
        return f"trigger/{self.declaration.name}"

    def drift(self, properties: Any) -> list[str]:
        """The properties nobody declared, once all declared ones are right.

        Raises Refused naming each property that is missing or mistyped.
        """
        try:
            found = self.model.model_validate({} if properties is None else properties)
        except ValidationError as error:
            raise _in_properties(from_pydantic(error, {})) from None
        return sorted(found.model_extra or {})

    def described(self) -> JsonObject:
        """The entry in the catalogue."""
        known = self.declaration.model_dump(mode="json", exclude={"properties"})
        return {**known, "json_schema": self.model.model_json_schema()}


@dataclass(frozen=True)
class Versions:
    """A trigger's majors, side by side."""

    name: str
    by_major: Mapping[int, Trigger]

    def of(self, version: Any) -> Trigger:
        """What a call of this version is held against: its major, if it knows the minor. Raises Refused."""
        given = "" if isinstance(version, bool) else str(version)
        found = re.fullmatch(r"v?(\d{1,4})(?:\.(\d{1,4}))?", given)
        trigger = self.by_major.get(int(found[1])) if found else None
        if found and trigger and int(found[2] or 0) <= trigger.declaration.minor:
            return trigger
        known = ", ".join(each.declaration.version for each in self.by_major.values())
        what = "is required" if version is None else f"{given[:40]!r} is unknown"
        reason = f"{what}; {self.name} has {known}"
        raise Refused(CODE, Fault("version", reason))


Triggers = Mapping[str, Versions]


def load_triggers(folder: Path) -> dict[str, Versions]:
    """Every trigger declared in `folder`, by name. Raises TriggerError with every mistake of every file."""
    majors: dict[str, dict[int, Trigger]] = {}
    mistakes = []
    for path in sorted(folder.glob("*.yml")):
        try:
            trigger = _compiled(read_declaration(path), path)
        except TriggerError as error:
            mistakes.append(str(error))
            continue
        declared = trigger.declaration
        majors.setdefault(declared.name, {})[declared.major] = trigger
    if mistakes:
        raise TriggerError("\n".join(mistakes))
    return {
        name: Versions(name, dict(sorted(found.items())))
        for name, found in majors.items()
    }


def catalogue(triggers: Triggers) -> list[JsonObject]:
    """Every version of every trigger, with the JSON Schema of its properties."""
    return [
        trigger.described()
        for _, versions in sorted(triggers.items())
        for trigger in versions.by_major.values()
    ]


def _compiled(declaration: Declaration, path: Path) -> Trigger:
    place = f"{path.parent.name}/{path.name}"
    fields: dict[str, Any] = {}
    for name, declared in declaration.properties.items():
        try:
            fields[f"property_{name}"] = _field(name, declared)
        except re.error as error:
            raise TriggerError(
                f"{place}: field `properties.{name}.pattern` is no regular expression: {error}; correct it"
            ) from error
    config = ConfigDict(
        strict=True, extra="allow", frozen=True, regex_engine="python-re"
    )
    title = f"{declaration.name} {declaration.version}"
    model = create_model(title, __config__=config, **fields)
    _check_examples(model, declaration, place)
    return Trigger(declaration, model)


def _field(name: str, declared: Property) -> tuple[Any, Any]:
    """The field under an alias, because a property may be called like something of pydantic's own."""
    kind = TYPES[declared.type]
    if declared.values:
        kind = Literal[tuple(declared.values)]
    elif declared.pattern is not None:
        re.compile(declared.pattern)
        whole = Field(pattern=f"^(?:{declared.pattern})$")
        kind = Annotated[str, whole, AfterValidator(_not_blank)]
    elif declared.type in ("integer", "decimal"):
        bounds: dict[str, Any] = {"ge": declared.minimum, "le": declared.maximum}
        kind = Annotated[kind, Field(**bounds)]
    documented: dict[str, Any] = {"alias": name, "description": declared.description}
    if declared.example is not None:
        documented["examples"] = [declared.example]
    if declared.required:
        return kind, Field(**documented)
    return kind | None, Field(default=None, **documented)


def _check_examples(
    model: type[BaseModel], declaration: Declaration, place: str
) -> None:
    """An example that the door would refuse teaches the wrong thing."""
    given = {
        name: declared.example
        for name, declared in declaration.properties.items()
        if declared.example is not None
    }
    try:
        model.model_validate(given)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            if each["type"] != "missing":
                field = f"field `properties.{each['loc'][0]}.example`"
                raise TriggerError(
                    f"{place}: {field} is not valid itself: {each['msg']}; give a value that is"
                ) from error


def _in_properties(refusal: Refused) -> Refused:
    faults = [
        Fault(f"properties.{each.path}".rstrip("."), each.reason)
        for each in refusal.faults
    ]
    return Refused(CODE, *faults)
