"""`${NAME}` in a declaration: a value of the environment, so that no secret stands in a file. Which fields may hold
one is the connector's to say."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from ingestion.connectors.rows import ExtractError
from ingestion.contracts.webhooks import ENVIRONMENT

SECRET = re.compile(
    r"(password|secret|token|connection_string|(api|access|account|private|secret|sas)_?key)$",
    re.IGNORECASE,
)
"""Names of fields that hold a secret, as far as names tell."""


def expanded(value: Any, write: Callable[[str], str] = str) -> Any:
    """The value with every `${NAME}` replaced, in lists and objects too; `write` escapes what is put in.

    Raises ExtractError that names every variable that is not set.
    """
    missing = sorted(name for name in names(value) if not os.environ.get(name))
    if missing:
        raise ExtractError(f"set {', '.join(missing)} in the environment")
    return _replaced(value, write)


def plain_secrets(value: Any, name: str = "") -> Iterator[str]:
    """The fields that look like a secret and are written out instead of named as `${NAME}`."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from plain_secrets(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from plain_secrets(each, name)
    elif isinstance(value, str) and SECRET.search(name) and not names(value):
        yield name


def names(value: Any) -> set[str]:
    """The variables that a value mentions."""
    if isinstance(value, str):
        return set(ENVIRONMENT.findall(value))
    if isinstance(value, dict):
        return {name for each in value.values() for name in names(each)}
    if isinstance(value, list | tuple):
        return {name for each in value for name in names(each)}
    return set()


def scrubbed(message: str, value: Any) -> str:
    """A message without the values of the variables that `value` mentions, and on one line."""
    for name in sorted(names(value)):
        if len(secret := os.environ.get(name, "")) > 3:
            for form in (secret, quote(secret, safe="")):
                message = message.replace(form, f"${{{name}}}")
    return re.sub(r"\s+", " ", message).strip()


def _replaced(value: Any, write: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return ENVIRONMENT.sub(lambda found: write(os.environ[found[1]]), value)
    if isinstance(value, dict):
        return {key: _replaced(each, write) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(each, write) for each in value]
    return value
