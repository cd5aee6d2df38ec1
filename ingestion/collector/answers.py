"""What the collector says: always JSON, exactly 200 or an error with a code, a message and the fields at fault.

The SDKs of the field send again on 202 and 204, lose what a 3xx answers, and want `code` and `message` in a 4xx.
"""

from typing import Any

import orjson
from starlette.responses import Response

from ingestion.contracts.refusals import Refused

STATUS_OF = {
    "not_for_browsers": 403,
    "unknown_trigger": 404,
    "timeout": 408,
    "too_large": 413,
}
"""Refusals that have a status of their own; the others are 400."""


class Answered(Exception):  # noqa: N818 - not every answer is an error
    """Ends the handling of a request with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def answer(content: dict[str, Any], status: int = 200, **headers: str) -> Response:
    """A JSON response; underscores in header names stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(orjson.dumps(content), status, named, "application/json")


def problem(
    status: int, code: str, message: str, errors: Any = (), **headers: str
) -> Answered:
    """An error in the shape every client can rely on."""
    content = {"code": code, "message": message, "errors": list(errors)}
    return Answered(answer(content, status, **headers))


def refused(refusal: Refused) -> Answered:
    """The error of a request that was not let in."""
    status = STATUS_OF.get(refusal.code, 400)
    faults = [vars(fault) for fault in refusal.faults]
    # After a body that wasn't read to its end the connection is of no further use.
    headers = {"Connection": "close"} if status in (408, 413) else {}
    return problem(status, refusal.code, str(refusal), faults, **headers)
