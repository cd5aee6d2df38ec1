"""Google's Data Manager API, as documented.

developers.google.com/data-manager/api/reference/rest/v1/audienceMembers/{ingest,remove}, .../requestStatus/retrieve and
.../devguides/limits (read 2026-11): an OAuth token with the scope datamanager; at most 10,000 members, 10 identifiers
each and 10 destinations a request; 300 requests a minute and project, then 429 RESOURCE_EXHAUSTED; encoding and accepted
terms required; members without granted consent are not processed. Accepted means a requestId; what became of it is told
by counts only.
"""

import re
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

REFRESH = "a-person-granted-this"
LIST = "7001"
ACCOUNT = "1234567890"
HASH = re.compile(r"[0-9a-f]{64}")


def _error(status: int, name: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "status": name, "message": message}}


def _bad(holds: object, message: str) -> None:
    must(holds, 400, _error(400, "INVALID_ARGUMENT", message))


class Google(Fake):
    """`state` is keyed by hash; jobs are applied when they are accepted, unless they are stuck."""

    window = (300, 60.0)

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> Response:
        if request.path == "/token":
            return self._token(request)
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            401,
            _error(401, "UNAUTHENTICATED", "invalid credentials"),
        )
        if request.path == "/v1/requestStatus:retrieve":
            return self._status(request)
        _bad(request.method == "POST", "method")
        verbs = ("/v1/audienceMembers:ingest", "/v1/audienceMembers:remove")
        must(request.path in verbs, 404, _error(404, "NOT_FOUND", "no such method"))
        return self._job(request.json, is_ingest=request.path == verbs[0])

    def too_many(self) -> Refused:
        return Refused(429, _error(429, "RESOURCE_EXHAUSTED", "quota"))

    def _token(self, request: Request) -> Response:
        form = request.form
        must(
            form.get("grant_type") == "refresh_token"
            and form.get("refresh_token") == REFRESH
            and form.get("client_secret") == TOKEN,
            400,
            {"error": "invalid_grant"},
        )
        return Response(body={"access_token": TOKEN, "expires_in": 3600})

    def _job(self, body: dict[str, Any], is_ingest: bool) -> Response:
        destinations = body.get("destinations") or []
        _bad(1 <= len(destinations) <= 10, "destinations")
        for each in destinations:
            account = each.get("operatingAccount", {})
            _bad(account.get("accountType") == "GOOGLE_ADS", "accountType")
            _bad(account.get("accountId") == ACCOUNT, "accountId")
            _bad(each.get("productDestinationId") == LIST, "productDestinationId")
        _bad(body.get("encoding") == "HEX", "encoding is required for user data")
        members = body.get("audienceMembers") or []
        _bad(1 <= len(members) <= 10_000, "1 to 10000 audienceMembers")
        hashes = [self._hash(member) for member in members]
        if is_ingest:
            terms = body.get("termsOfService", {})
            _bad(
                terms.get("customerMatchTermsOfServiceStatus") == "ACCEPTED",
                "the Customer Match terms must be accepted",
            )
        consent = body.get("consent", {})
        granted = all(
            consent.get(name) == "CONSENT_GRANTED"
            for name in ("adUserData", "adPersonalization")
        )
        good = [h for place, h in enumerate(hashes) if not self.sour(place, h)]
        job = str(len(self.jobs) + 1)
        self.jobs[job] = {"requestStatus": "SUCCESS"}
        if self.stuck:
            self.jobs[job] = {"requestStatus": "PROCESSING"}
        elif is_ingest and not granted:
            self.jobs[job] = _failed("FAILED", "NO_CONSENT", len(hashes))
        else:
            for each in good:
                if is_ingest:
                    self.state[each] = {}
                else:
                    self.state.pop(each, None)
            if len(good) < len(hashes):
                missing = len(hashes) - len(good)
                self.jobs[job] = _failed("PARTIAL_SUCCESS", "INTERNAL_ERROR", missing)
        return Response(body={"requestId": job})

    def _hash(self, member: dict[str, Any]) -> str:
        identifiers = member.get("userData", {}).get("userIdentifiers") or []
        _bad(1 <= len(identifiers) <= 10, "1 to 10 userIdentifiers")
        (identifier,) = identifiers
        (value,) = identifier.values()
        _bad(identifier.keys() <= {"emailAddress", "phoneNumber"}, "userIdentifier")
        _bad(HASH.fullmatch(value), "not a SHA-256 in hex")
        return str(value)

    def _status(self, request: Request) -> Response:
        job = self.jobs.get(request.query.get("requestId", ""))
        if job is None:
            raise Refused(404, _error(404, "NOT_FOUND", "no such request"))
        return Response(body={"requestStatusPerDestination": [job]})


def _failed(status: str, reason: str, count: int) -> dict[str, Any]:
    counts = [
        {"recordCount": str(count), "reason": f"PROCESSING_ERROR_REASON_{reason}"}
    ]
    return {"requestStatus": status, "errorInfo": {"errorCounts": counts}}
