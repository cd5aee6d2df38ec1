"""JSON from strangers: by the letter first, then forgiving enough to tell a batch's bad items from its good ones."""

import json
import math
from typing import Any

import orjson

from ingestion.contracts.refusals import Fault, Refused

BOM = b"\xef\xbb\xbf"

KEPT_LEVELS = 100
"""What is nested deeper than our limits is refused anyhow, and no encoder goes as deep as a parser."""


class NotANumber:
    """NaN, Infinity, or a number no double can hold, where it stood. It can't be written back, so it is found."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse(body: bytes) -> tuple[Any, Refused | None]:
    """The value in `body`, and why it is not JSON by the letter, if it isn't (a byte order mark is forgiven).

    Then broken text and numbers are kept where they stand, for `encode` to find: one event with a NaN or half an
    emoji must not cost its batch. Raises Refused when nothing can be made of it.
    """
    body = body.removeprefix(BOM)
    try:
        return orjson.loads(body), None
    except orjson.JSONDecodeError as error:
        refusal = Refused("invalid_json", Fault("", f"not JSON: {error}"))
    text = body.decode("utf-8", "surrogateescape")
    try:
        kept = json.loads(text, parse_constant=NotANumber, parse_float=_number)
    except (ValueError, RecursionError):
        raise refusal from None
    return kept, refusal


def encode(value: Any) -> bytes:
    """The value as JSON by the letter. Raises Refused if there is none."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        reason = "holds NaN or Infinity, broken UTF-8 or an integer beyond 64 bits"
        raise Refused("invalid_json", Fault("", reason)) from None


def encode_anything(value: Any) -> bytes:
    """The value as close to how it was sent as JSON allows, for the rejects."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        shallow = _cut(value, KEPT_LEVELS)
        return json.dumps(shallow, default=lambda bad: bad.text).encode()


def _cut(value: Any, levels: int) -> Any:
    """The value with everything below so many levels cut off."""
    if isinstance(value, dict | list) and levels == 0:
        return "(cut off here: nested too deep)"
    if isinstance(value, dict):
        return {name: _cut(each, levels - 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_cut(each, levels - 1) for each in value]
    return value


def _number(text: str) -> float | NotANumber:
    number = float(text)
    return number if math.isfinite(number) else NotANumber(text)
