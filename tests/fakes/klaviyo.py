"""Klaviyo's bulk profile import, lists and bulk events, as documented.

developers.klaviyo.com/en/reference/bulk_import_profiles, .../remove_profiles_from_list, .../get_profiles,
.../bulk_create_events and .../docs/rate_limits_and_error_handling (read 2026-11): a private key and a revision header;
10,000 profiles or 5 MB an import, which is a job with counts; 1,000 profiles a removal, by Klaviyo's own ids; 1,000
events; 10 requests a second and 150 a minute, then 429 with Retry-After.
"""

import json
import re
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

LIST = "Y6nRLr"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
REVISION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
FILTER = re.compile(r"any\((email|phone_number|external_id),(\[.*\])\)")
IDENTIFIERS = ("email", "phone_number", "external_id")


def _error(status: int, code: str, detail: str) -> dict[str, Any]:
    return {"errors": [{"status": status, "code": code, "detail": detail}]}


class Klaviyo(Fake):
    """`state` has profiles by identifier, with Klaviyo's id, and the ids on the list."""

    window = (150, 60.0)

    def __init__(self) -> None:
        super().__init__()
        self.state = {"profiles": {}, "members": set()}
        self.jobs: dict[str, dict[str, Any]] = {}

    @property
    def held(self) -> dict[str, Any]:
        return {
            name: profile["properties"]
            for name, profile in self.state["profiles"].items()
            if profile["id"] in self.state["members"]
        }

    def answer(self, request: Request) -> Response:
        must(
            request.headers.get("authorization") == f"Klaviyo-API-Key {TOKEN}",
            401,
            _error(401, "not_authenticated", "Missing or invalid private key"),
        )
        _valid(REVISION.match(request.headers.get("revision", "")), "revision")
        path, method = request.path, request.method
        if method == "POST" and path == "/api/profile-bulk-import-jobs":
            return self._import(request)
        if method == "GET" and path.startswith("/api/profile-bulk-import-jobs/"):
            return self._job(path.rpartition("/")[2])
        if method == "GET" and path == "/api/profiles":
            return self._profiles(request.query)
        if method == "DELETE" and path == f"/api/lists/{LIST}/relationships/profiles":
            return self._remove(request.json)
        if method == "POST" and path == "/api/event-bulk-create-jobs":
            return self._events(request)
        raise Refused(404, _error(404, "not_found", "no such thing"))

    def too_many(self) -> Refused:
        body = _error(429, "throttled", "Request was throttled")
        return Refused(429, body, {"Retry-After": "12"})

    def _import(self, request: Request) -> Response:
        must(len(request.body) <= 5_000_000, 413, _error(413, "too_large", "over 5 MB"))
        data = request.json["data"]
        _valid(data["type"] == "profile-bulk-import-job", "type")
        profiles = data["attributes"]["profiles"]["data"]
        _valid(1 <= len(profiles) <= 10_000, "1 to 10000 profiles")
        lists = data["relationships"]["lists"]["data"]
        _valid(lists == [{"type": "list", "id": LIST}], "list")
        for each in profiles:
            given = each["attributes"]
            _valid(any(name in given for name in IDENTIFIERS), "no identifier")
            address = given.get("email")
            _valid(address is None or EMAIL.fullmatch(address), "email")
        job = str(len(self.jobs) + 1)
        self.jobs[job] = {"status": "queued", "total_count": len(profiles)}
        if not self.stuck:
            failed = 0
            for place, each in enumerate(profiles):
                if self.sour(place, each["attributes"].get("email", "")):
                    failed += 1
                else:
                    self._upsert(each["attributes"])
            counts = {"completed_count": len(profiles) - failed, "failed_count": failed}
            self.jobs[job] |= {"status": "complete", **counts}
        return Response(202, {"data": {"id": job, "attributes": {"status": "queued"}}})

    def _upsert(self, given: dict[str, Any]) -> None:
        profiles = self.state["profiles"]
        (name,) = [given[each] for each in IDENTIFIERS if each in given]
        profile = profiles.setdefault(
            name, {"id": f"01K{len(profiles):06}", "properties": {}}
        )
        profile["properties"] |= given.get("properties", {})
        self.state["members"].add(profile["id"])

    def _job(self, job: str) -> Response:
        if job not in self.jobs:
            raise Refused(404, _error(404, "not_found", "no such job"))
        return Response(body={"data": {"id": job, "attributes": self.jobs[job]}})

    def _profiles(self, query: dict[str, str]) -> Response:
        match = FILTER.fullmatch(query.get("filter", ""))
        if match is None:
            raise Refused(400, _error(400, "invalid", "filter"))
        size = int(query.get("page[size]", "20"))
        _valid(1 <= size <= 100, "page[size]")
        field, names = match[1], json.loads(match[2])
        found = [
            {"type": "profile", "id": profile["id"], "attributes": {field: name}}
            for name, profile in self.state["profiles"].items()
            if name in names
        ]
        return Response(body={"data": found[:size], "links": {"next": None}})

    def _remove(self, body: dict[str, Any]) -> Response:
        data = body["data"]
        _valid(1 <= len(data) <= 1000, "1 to 1000 profiles")
        known = {profile["id"] for profile in self.state["profiles"].values()}
        for each in data:
            _valid(each["type"] == "profile" and each["id"] in known, "profile id")
        self.state["members"] -= {each["id"] for each in data}
        return Response(204)

    def _events(self, request: Request) -> Response:
        data = request.json["data"]
        _valid(data["type"] == "event-bulk-create-job", "type")
        groups = data["attributes"]["events-bulk-create"]["data"]
        events = [
            {**event["attributes"], "profile": group["attributes"]["profile"]}
            for group in groups
            for event in group["attributes"]["events"]["data"]
        ]
        _valid(1 <= len(events) <= 1000, "1 to 1000 events")
        known = {each["unique_id"] for each in self.events}
        for each in events:
            _valid(each["metric"]["data"]["attributes"]["name"], "metric")
        self.events += [each for each in events if each["unique_id"] not in known]
        return Response(202)


def _valid(holds: object, detail: str) -> None:
    must(holds, 400, _error(400, "invalid", detail))
