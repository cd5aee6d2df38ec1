"""Braze's /users/track, as documented.

braze.com/docs/api/endpoints/user_data/post_user_track and .../api/api_limits (read 2026-11): a REST key; at most 75
objects of attributes, events and purchases together; 3,000 requests in three seconds, then 429 with the moment of the
reset; one identifier an object; null removes an attribute; what is wrong with single objects stands in `errors` of a 201.
"""

import re
import time
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

ATTRIBUTE = "millrace_crowd"
IDENTIFIERS = ("external_id", "email", "phone")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Braze(Fake):
    """`state` is profiles by identifier; who has the attribute is in the audience."""

    window = (3000, 3.0)

    @property
    def held(self) -> dict[str, Any]:
        return {
            name: {k: v for k, v in profile[ATTRIBUTE].items() if k != "is_member"}
            for name, profile in self.state.items()
            if profile.get(ATTRIBUTE, {}).get("is_member") is True
        }

    def answer(self, request: Request) -> Response:
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            401,
            {"message": "Invalid API key"},
        )
        must(
            (request.method, request.path) == ("POST", "/users/track"),
            404,
            {"message": "no such endpoint"},
        )
        body = request.json
        arrays = {k: body.get(k, []) for k in ("attributes", "events", "purchases")}
        count = sum(len(each) for each in arrays.values())
        must(1 <= count <= 75, 400, {"message": "1 to 75 objects"})
        errors = [
            {"type": wrong, "input_array": name, "index": place}
            for name in ("attributes", "events")
            for place, item in enumerate(arrays[name])
            if (wrong := self._take(name, place, item))
        ]
        return Response(
            201,
            {"message": "success", "attributes_processed": count}
            | ({"errors": errors} if errors else {}),
        )

    def too_many(self) -> Refused:
        reset = str(int(time.time()) + 3)
        return Refused(429, {"message": "slow down"}, {"X-RateLimit-Reset": reset})

    def _take(self, name: str, place: int, item: dict[str, Any]) -> str | None:
        given = [each for each in IDENTIFIERS if each in item]
        if len(given) != 1:
            return "exactly one of 'external_id', 'email', 'phone' is required"
        value = item[given[0]]
        if given[0] == "email" and not EMAIL.fullmatch(value):
            return "'email' is not valid"
        if given[0] == "phone" and not E164.fullmatch(value):
            return "'phone' is not valid"
        if self.sour(place, value):
            return "the object could not be processed"
        if name == "events":
            if not item.get("name") or not item.get("time"):
                return "'name' and 'time' are required"
            self.events.append(item)
            return None
        if value not in self.state and item.get("_update_existing_only"):
            return None
        profile = self.state.setdefault(value, {})
        for key, each in item.items():
            if key.startswith("_") or key in IDENTIFIERS:
                continue
            if each is None:
                profile.pop(key, None)
            else:
                profile[key] = each
        return None
