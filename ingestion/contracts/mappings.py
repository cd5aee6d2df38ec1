"""What a source says about its own calls: identifiers that no shape has a place for, and the type of an untyped one.

Paths go down by dots, into lists by number. What every call's envelope holds is `ingestion.contracts.identifiers`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.collection import Collection

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")]
Place = Annotated[str, Field(pattern=r"^(properties|traits|context)\..+$")]


class EventMapping(BaseModel):
    """The part of a source's declaration that is about reading its calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifiers: dict[Name, Place] = {}
    """Identifier type → its place in the event, such as `loyalty_id: properties.card_number`."""
    identity: Name | None = None
    """The type of an `identity` that comes without one; by its form if unset."""
    collection: Collection | None = None
    """What is kept of an event whose consent refuses collection; everything if unset."""

    def found(
        self, properties: Any, traits: Any, context: Any
    ) -> list[tuple[str, Any]]:
        """Types and values of the identifiers that are there."""
        if not self.identifiers:
            return []
        parts = {"properties": properties, "traits": traits, "context": context}
        places = ((kind, at(parts, place)) for kind, place in self.identifiers.items())
        return [(kind, value) for kind, value in places if value is not None]


AS_IT_COMES = EventMapping()
"""Of a source that says nothing special."""


def at(value: Any, path: str) -> Any:
    """The value at a path, None where there is nothing."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
