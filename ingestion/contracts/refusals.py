"""Why something was not let in: a code for machines, the field at fault, a sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

IGNORED_TOPIC = "ignored_topic"
"""The code of what was passed over because its source says so: a row without the bytes, that it can be counted."""

COLLECTION_REFUSED = "collection_refused"
"""The code of an event that was not kept because somebody refused to be watched: a row without the bytes, too."""
WITHOUT_CONTENTS = (IGNORED_TOPIC, COLLECTION_REFUSED)


@dataclass(frozen=True)
class Fault:
    """One field and what is wrong with it; an empty path means the whole."""

    path: str
    reason: str


class Refused(Exception):  # noqa: N818 - says what happened
    """Nothing of it is taken in. `faults` names every field at fault that was found."""

    def __init__(self, code: str, *faults: Fault) -> None:
        super().__init__(
            "; ".join(f"{each.path}: {each.reason}".lstrip(": ") for each in faults)
        )
        self.code, self.faults = code, faults


PLAINLY = {
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "string_type": "must be text",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "missing": "is required",
}
"""Our words for pydantic's error types; the others speak for themselves."""


def invalid(path: str, reason: str) -> Refused:
    """A field that has a value it may not have."""
    return Refused("invalid_event", Fault(path, reason))


def from_pydantic(error: ValidationError, spelling: Mapping[str, str]) -> Refused:
    """The same refusal in the sender's words: `spelling` maps our field names to the ones that were sent."""
    faults = []
    for each in error.errors(include_url=False, include_input=False):
        first, *rest = [str(part) for part in each["loc"]] or [""]
        path = ".".join([spelling.get(first, first), *rest])
        said = each["msg"].removeprefix("Value error, ")
        faults.append(Fault(path, PLAINLY.get(each["type"], said)))
    return Refused("invalid_event", *faults)
