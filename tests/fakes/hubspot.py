"""HubSpot's contacts, lists and custom events, as documented.

developers.hubspot.com/docs/api-reference/2026-03/crm/objects/contacts/batch/upsert-contacts, .../crm/lists/memberships/
update-list-memberships, .../developer-tooling/platform/usage-guidelines (read 2026-11): a private app's token; 100
contacts a batch, 207 with `errors` for those that failed, by trace id or address (.../api-reference/error-handling); properties must exist; only records that exist join a list,
others are `recordIdsMissing`; 100 requests in ten seconds.
"""

import re
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

LIST = "42"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PROPERTIES = {"email", "orders", "city", "note"}
CONTACTS = "/crm/objects/2026-03/contacts/batch"
EVENT = "pe123_cart_left"


def _error(category: str, message: str) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message}


class HubSpot(Fake):
    """`state` has contacts by e-mail address and the ids that are on the list."""

    window = (100, 10.0)

    def __init__(self) -> None:
        super().__init__()
        self.state = {"contacts": {}, "members": set()}
        self.echoes_traces = True

    @property
    def held(self) -> dict[str, Any]:
        return {
            address: {k: v for k, v in contact["properties"].items() if k != "email"}
            for address, contact in self.state["contacts"].items()
            if contact["id"] in self.state["members"]
        }

    def answer(self, request: Request) -> Response:
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            401,
            _error("INVALID_AUTHENTICATION", "Authentication credentials not found"),
        )
        routes = {
            ("POST", f"{CONTACTS}/upsert"): self._upsert,
            ("POST", f"{CONTACTS}/update"): self._update,
            ("POST", f"{CONTACTS}/read"): self._read,
            (
                "PUT",
                f"/crm/lists/2026-03/{LIST}/memberships/add-and-remove",
            ): self._list,
            ("POST", "/events/2026-03/send/batch"): self._events,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            raise Refused(404, _error("OBJECT_NOT_FOUND", "no such thing"))
        return route(request.json)

    def too_many(self) -> Refused:
        body = _error("RATE_LIMITS", "ten secondly limit") | {
            "policyName": "TEN_SECONDLY_ROLLING"
        }
        return Refused(429, body)

    def _update(self, body: dict[str, Any]) -> Response:
        return self._upsert(body, creates=False)

    def _upsert(self, body: dict[str, Any], creates: bool = True) -> Response:
        inputs = body.get("inputs") or []
        ids = [each.get("id") for each in inputs]
        _valid(1 <= len(inputs) <= 100, "1 to 100 inputs")
        _valid(len(set(ids)) == len(ids), "duplicate ids")
        results, errors = [], []
        for place, each in enumerate(inputs):
            _valid(each.get("idProperty") == "email", "idProperty")
            given = each.get("properties", {})
            _valid(given.keys() <= PROPERTIES, "PROPERTY_DOESNT_EXIST")
            _valid(all(isinstance(v, str) for v in given.values()), "not a string")
            trace = {"objectWriteTraceId": each.get("objectWriteTraceId")}
            named = {k: [v] for k, v in trace.items()}
            if not self.echoes_traces:
                trace, named = {}, {"ids": [each["id"]]}
            if not EMAIL.fullmatch(each["id"]) or self.sour(place, each["id"]):
                errors.append(
                    _error("VALIDATION_ERROR", "INVALID_EMAIL") | {"context": named}
                )
                continue
            contacts = self.state["contacts"]
            if not creates and each["id"] not in contacts:
                errors.append(
                    _error("OBJECT_NOT_FOUND", "no such contact") | {"context": named}
                )
                continue
            contact = contacts.setdefault(
                each["id"], {"id": str(1000 + len(contacts)), "properties": {}}
            )
            contact["properties"] |= {"email": each["id"], **given}
            properties = {"email": each["id"]}
            results.append({"id": contact["id"], "properties": properties, **trace})
        return _batch(results, errors)

    def _read(self, body: dict[str, Any]) -> Response:
        inputs = body.get("inputs") or []
        _valid(1 <= len(inputs) <= 100, "1 to 100 inputs")
        _valid(body.get("idProperty") == "email", "idProperty")
        known = self.state["contacts"]
        found = [known[each["id"]] for each in inputs if each["id"] in known]
        missing = [each["id"] for each in inputs if each["id"] not in known]
        errors = [
            _error("OBJECT_NOT_FOUND", "no contacts") | {"context": {"ids": missing}}
        ]
        return _batch(found, errors if missing else [])

    def _list(self, body: dict[str, Any]) -> Response:
        add, remove = body.get("recordIdsToAdd", []), body.get("recordIdsToRemove", [])
        _valid(len(add) + len(remove) <= 100_000, "too many records")
        known = {contact["id"] for contact in self.state["contacts"].values()}
        self.state["members"] |= set(add) & known
        self.state["members"] -= set(remove)
        return Response(
            body={
                "recordsIdsAdded": [each for each in add if each in known],
                "recordIdsRemoved": [each for each in remove if each in known],
                "recordIdsMissing": [
                    each for each in [*add, *remove] if each not in known
                ],
            }
        )

    def _events(self, body: dict[str, Any]) -> Response:
        inputs = body.get("inputs") or []
        _valid(1 <= len(inputs) <= 500, "1 to 500 inputs")
        for each in inputs:
            _valid(each.get("eventName") == EVENT, "no such event definition")
            _valid(EMAIL.fullmatch(each.get("email", "")), "email")
        known = {each["uuid"] for each in self.events}
        self.events += [each for each in inputs if each.get("uuid") not in known]
        return Response(204)


def _valid(holds: object, message: str) -> None:
    must(holds, 400, _error("VALIDATION_ERROR", message))


def _batch(results: list[Any], errors: list[Any]) -> Response:
    body: dict[str, Any] = {"status": "COMPLETE", "results": results}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Response(207 if errors else 200, body)
