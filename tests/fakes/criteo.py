"""Criteo's contact list audience, as documented.

developers.criteo.com/marketing-solutions/docs/contact-list, .../reference/audience/2026-01marketing-solutionsaudience-
segments-contact-list-1 and .../docs/rate-limits (read 2026-11): a client credentials token; one operation and one type of
identifier a request, at most 50,000; a gumCallerId with cookie ids; counts and samples of invalid ones; 250 requests a
minute, then 429 with the moment of the reset.
"""

import re
import time
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

SEGMENT, CALLER = "7001", 123
SHAPES = {
    "gum": re.compile(r"[A-Za-z0-9_-]{8,128}"),
    "madid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
}
PATH = f"/2026-01/marketing-solutions/audience-segments/{SEGMENT}/contact-list"


def _error(code: str, detail: str) -> dict[str, Any]:
    return {"errors": [{"type": "validation", "code": code, "detail": detail}]}


class Criteo(Fake):
    window = (250, 60.0)

    def answer(self, request: Request) -> Response:
        if request.path == "/oauth2/token":
            form = request.form
            must(
                form.get("grant_type") == "client_credentials"
                and form.get("client_secret") == TOKEN,
                401,
                {"error": "invalid_client"},
            )
            return Response(body={"access_token": TOKEN, "expires_in": 900})
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            401,
            _error("authorization-token-invalid", "invalid token"),
        )
        must(
            (request.method, request.path) == ("PATCH", PATH),
            404,
            _error("segment-not-found", "no such segment"),
        )
        data = request.json.get("data", {})
        given = data.get("attributes", {})
        _valid(data.get("type") == "ContactlistAmendment", "type")
        kind, identifiers = given.get("identifierType"), given.get("identifiers") or []
        _valid(given.get("operation") in ("add", "remove"), "operation")
        _valid(kind in SHAPES, "identifierType")
        _valid(kind != "gum" or given.get("gumCallerId") == CALLER, "gumCallerId")
        _valid(1 <= len(identifiers) <= 50_000, "1 to 50000 identifiers")
        bad = [
            each
            for place, each in enumerate(identifiers)
            if not SHAPES[kind].fullmatch(each) or self.sour(place, each)
        ]
        for each in identifiers:
            if each in bad:
                continue
            if given["operation"] == "add":
                self.state[each] = {}
            else:
                self.state.pop(each, None)
        counts = {
            "operation": given["operation"],
            "nbValidIdentifiers": len(identifiers) - len(bad),
            "nbInvalidIdentifiers": len(bad),
            "sampleInvalidIdentifiers": bad[:3],
        }
        body = {"type": "ContactlistAmendment", "attributes": counts}
        return Response(body={"data": body, "errors": [], "warnings": []})

    def too_many(self) -> Refused:
        reset = {"x-ratelimit-reset": str(int(time.time()) + 20)}
        return Refused(429, _error("too-many-requests", "quota"), reset)


def _valid(holds: object, detail: str) -> None:
    must(holds, 400, _error("invalid", detail))
