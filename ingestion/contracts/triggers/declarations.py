"""Triggers as people declare them, and reading the YAML files: every mistake names file, field and remedy.

What a declaration does to a call is compiled.py's.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ingestion.contracts.strict_yaml import read_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
PropertyType = Literal[
    "text", "integer", "decimal", "boolean", "timestamp", "date", "list_of_text"
]
NUMBERS = ("integer", "decimal")

REMEDIES = {
    "name": "give it a name of small letters, digits and underscores, such as `cart_abandoned`",
    "version": 'write major and minor in quotes, such as `version: "1.0"`',
    "description": "say in a sentence when it is sent, or what the property means",
    "owner": "name who answers for it",
    "purpose": "name what people are reached for, such as `service` or `marketing`",
    "audience": "say which identifiers name the recipient, such as `audience: {identifiers: [email]}`",
    "identifiers": "list identifier types such as `user_id` and `email`",
    "browsers": "write true if web pages may send it with their public key, else leave it out",
    "properties": "map each property to its type and description",
    "type": "choose text, integer, decimal, boolean, timestamp, date or list_of_text",
    "required": "write true or false",
    "values": "list every valid value",
    "minimum": "give the smallest valid number",
    "maximum": "give the largest valid number",
    "pattern": "give a regular expression for the whole text",
    "example": "give a value that is valid",
}


class TriggerError(ValueError):
    """The declarations contradict the rules; the message lists every mistake and its remedy."""


class Declared(BaseModel):
    """Part of a declaration; an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Property(Declared):
    """One typed property, with what is valid for it."""

    type: PropertyType
    description: str = Field(min_length=1)
    required: bool = False
    values: tuple[str | int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    example: Any = None

    @model_validator(mode="after")
    def _bounds_fit_the_type(self) -> Self:
        has_bounds = self.minimum is not None or self.maximum is not None
        if has_bounds and self.type not in NUMBERS:
            raise ValueError(
                f"`minimum` and `maximum` are for numbers, and this is {self.type}; remove them"
            )
        if (self.minimum or 0) > (self.maximum or float("inf")):
            raise ValueError("`minimum` is larger than `maximum`; swap them")
        if self.pattern is not None and self.type != "text":
            raise ValueError(
                f"`pattern` is for text, and this is {self.type}; remove it"
            )
        kind = {"text": str, "integer": int}.get(self.type)
        if self.values and not (
            kind and all(type(value) is kind for value in self.values)
        ):
            raise ValueError(
                "`values` lists texts of a text or whole numbers of an integer; correct them or the type"
            )
        return self


class Audience(Declared):
    """Who it is about."""

    identifiers: tuple[Name, ...] = Field(min_length=1)
    """Identifier types that can name the recipient; a call has to bring one of them."""


class Declaration(Declared):
    """One major version of a trigger, at its newest minor."""

    name: Name
    version: str = Field(pattern=r"^[1-9]\d{0,3}\.\d{1,4}$")
    description: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    purpose: Name
    audience: Audience
    browsers: bool = False
    """Whether the public keys of web pages may send it: whoever reads the page can then send it for anybody."""
    properties: dict[Name, Property] = {}

    @field_validator("version", mode="before")
    @classmethod
    def _no_number(cls, version: Any) -> Any:
        # YAML reads 1.10 as the number 1.1, another version.
        if isinstance(version, int | float):
            raise ValueError("a number loses its zeros")
        return version

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def minor(self) -> int:
        return int(self.version.partition(".")[2])


def read_declaration(path: Path) -> Declaration:
    """The trigger declared in one file. Raises TriggerError."""
    place = f"{path.parent.name}/{path.name}"
    try:
        declared = read_yaml(path)
    except ValueError as error:
        raise TriggerError(str(error)) from error
    if not isinstance(declared, dict):
        raise TriggerError(f"{place} has to hold one trigger: fields and their values")
    try:
        found = Declaration.model_validate(declared)
    except ValidationError as error:
        details = error.errors(include_url=False)
        sentences = (f"{place}: {_sentence(detail)}" for detail in details)
        raise TriggerError("\n".join(sentences)) from error
    wanted = f"{found.name}.v{found.major}.yml"
    if path.name != wanted:
        raise TriggerError(
            f"{place}: fields `name` and `version` say {found.name!r} and {found.version!r}; "
            f"a file is named after both, so rename it to {wanted}"
        )
    return found


def _sentence(detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"] if part != "[key]"]
    field = f"field `{'.'.join(path)}`"
    if detail["type"] == "extra_forbidden":
        known = get_close_matches(path[-1], REMEDIES, n=1)
        hint = f"did you mean `{known[0]}`?" if known else "remove it"
        return f"{field} is unknown; {hint}"
    message = detail["msg"].removeprefix("Value error, ")
    remedy = next((REMEDIES[part] for part in reversed(path) if part in REMEDIES), "")
    if detail["type"] == "missing":
        return f"{field} is missing; {remedy}"
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        return f"{field}: {message}"  # a rule over several fields, with its own remedy
    return f"{field} is {detail['input']!r}, which cannot be: {message}; {remedy}"
