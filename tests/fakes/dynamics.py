"""Dynamics 365 Customer Insights - Journeys: a custom trigger, raised through its Dataverse custom API, as documented.

learn.microsoft.com/en-us/dynamics365/customer-insights/journeys/real-time-marketing-custom-triggers, .../real-time-
marketing-correlate-triggers and learn.microsoft.com/en-us/power-apps/developer/data-platform/api-limits (read 2026-11):
an Entra token for the environment; the contact's GUID; at most 29 attributes, all of them required, msdynmkt_ before
their names; times in UTC; 2,500
triggers a minute, more are dropped without a word; 6,000 requests in five minutes and user, then 429 with Retry-After;
no idempotency key; without a binding id a trigger acts on every instance of the journey.
"""

import re
import time
from collections import deque
from datetime import datetime
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

TRIGGER = "msdynmkt_CartLeft_1"
ATTRIBUTES = {"msdynmkt_orders"}
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARAMETERS = {
    "msdynmkt_signaluserauthid",
    "msdynmkt_profileid",
    "msdynmkt_signaltimestamp",
    "msdynmkt_signalingestiontimestamp",
    "msdynmkt_bindingid",
}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


class Dynamics(Fake):
    """`events` are the triggers that journeys saw."""

    window = (6000, 300.0)
    triggers_a_minute = 2500

    def __init__(self) -> None:
        super().__init__()
        self.seen: deque[float] = deque()

    def answer(self, request: Request) -> Response:
        if request.path == "/tenant/oauth2/v2.0/token":
            form = request.form
            must(
                form.get("grant_type") == "client_credentials"
                and form.get("client_secret") == TOKEN
                and form.get("scope", "").endswith("/.default"),
                401,
                {"error": "invalid_client"},
            )
            return Response(body={"access_token": TOKEN, "expires_in": 3599})
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            401,
            _error("0x80040220", "no access"),
        )
        must(
            (request.method, request.path) == ("POST", f"/api/data/v9.2/{TRIGGER}"),
            404,
            _error("0x8006088a", "Resource not found for the segment"),
        )
        body = request.json
        for name in ("msdynmkt_signaluserauthid", "msdynmkt_profileid"):
            _valid(GUID.fullmatch(str(body.get(name))), f"{name} is no Guid")
        for name in ("msdynmkt_signaltimestamp", "msdynmkt_signalingestiontimestamp"):
            _valid(_is_utc(str(body.get(name))), f"{name} is no UTC time")
        attributes = body.keys() - PARAMETERS
        _valid(len(attributes) <= 29, "29 attributes at most")
        _valid(attributes == ATTRIBUTES, "attributes are required, others unknown")
        now = time.monotonic()
        while self.seen and self.seen[0] <= now - 60:
            self.seen.popleft()
        if len(self.seen) < self.triggers_a_minute:
            self.seen.append(now)
            self.events.append(body)
        return Response(204)

    def too_many(self) -> Refused:
        body = _error("0x80072322", "Number of requests exceeded the limit")
        return Refused(429, body, {"Retry-After": "30"})


def _valid(holds: object, message: str) -> None:
    must(holds, 400, _error("0x80048d19", message))


def _is_utc(text: str) -> bool:
    try:
        return text.endswith("Z") and datetime.fromisoformat(text) is not None
    except ValueError:
        return False
