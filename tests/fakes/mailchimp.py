"""Mailchimp's audience (list) and static segments, as documented.

mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe, .../list-segments/batch-add-or-remove-members
and .../docs/fundamentals (read 2026-11): HTTP basic with the key as password; 500 members a request; failures of single
members in `errors` of a 200; who unsubscribed is in a compliance state and cannot be subscribed by the API; segments
take members of the audience only. No rate but ten connections at once.
"""

import base64
import re
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

LIST, SEGMENT = "a1b2c3d4e5", "1234"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
MERGE_FIELDS = {"ORDERS", "CITY"}


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    return {"status": status, "title": title, "detail": detail}


class Mailchimp(Fake):
    """`state` has members by e-mail address and who is in the segment. `unsubscribed` said no at Mailchimp."""

    def __init__(self) -> None:
        super().__init__()
        self.state = {"members": {}, "segment": set()}
        self.unsubscribed: set[str] = set()

    @property
    def held(self) -> dict[str, Any]:
        return {
            name: self.state["members"][name]["merge_fields"]
            for name in self.state["segment"]
        }

    def answer(self, request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            key = base64.b64decode(given).decode().partition(":")[2]
        except ValueError:
            key = ""
        must(
            scheme == "Basic" and key == TOKEN,
            401,
            _problem(401, "API Key Invalid", "Your API key may be invalid"),
        )
        routes = {
            f"/3.0/lists/{LIST}": self._members,
            f"/3.0/lists/{LIST}/segments/{SEGMENT}": self._segment,
        }
        if request.method != "POST" or request.path not in routes:
            raise Refused(404, _problem(404, "Resource Not Found", "no such thing"))
        return routes[request.path](request.json)

    def _members(self, body: dict[str, Any]) -> Response:
        members = body.get("members") or []
        _valid(1 <= len(members) <= 500, "1 to 500 members")
        _valid(body.get("update_existing") is True, "update_existing")
        errors = []
        for place, each in enumerate(members):
            _valid(each.get("status") in STATUSES, "status")
            name, fields = each.get("email_address", ""), each.get("merge_fields", {})
            _valid(fields.keys() <= MERGE_FIELDS, "no such merge field")
            wrong = None
            if not EMAIL.fullmatch(name):
                wrong = ("ERROR_GENERIC", "Please provide a valid email address.")
            elif name in self.unsubscribed and each["status"] == "subscribed":
                wrong = ("ERROR_CONTACT_EXISTS", "is in a compliance state")
            elif self.sour(place, name):
                wrong = ("ERROR_GENERIC", "could not be processed")
            if wrong:
                code, message = wrong
                errors.append(
                    {"email_address": name, "error": message, "error_code": code}
                )
                continue
            member = self.state["members"].setdefault(name, {"merge_fields": {}})
            member["merge_fields"] |= fields
            member["status"] = each["status"]
        return Response(body={"errors": errors, "error_count": len(errors)})

    def _segment(self, body: dict[str, Any]) -> Response:
        add, remove = body.get("members_to_add", []), body.get("members_to_remove", [])
        _valid(len(add) <= 500 and len(remove) <= 500, "500 members at most")
        foreign = [n for n in [*add, *remove] if n not in self.state["members"]]
        self.state["segment"] |= set(add) - set(foreign)
        self.state["segment"] -= set(remove)
        message = "Email addresses do not exist in the audience"
        errors = [{"email_addresses": foreign, "error": message}] if foreign else []
        return Response(
            body={
                "members_added": [
                    {"email_address": n} for n in add if n not in foreign
                ],
                "members_removed": [
                    {"email_address": n} for n in remove if n not in foreign
                ],
                "errors": errors,
                "error_count": len(errors),
            }
        )


def _valid(holds: object, detail: str) -> None:
    must(holds, 400, _problem(400, "Invalid Resource", detail))
