"""Meta's custom audience users edge, as documented.

developers.facebook.com/docs/marketing-api/reference/custom-audience/users and .../audiences/guides/custom-audiences/v25.0
(read 2026-11): at most 10,000 rows a request; identifiers are SHA-256 in hex; what is no hash is counted as invalid and
only sampled. Errors are 400 with a code in the body: 190 the token, 100 a parameter, 80003 too many calls for custom
audiences (graph-api/overview/rate-limiting), which names the minutes to wait in a header of its own.
"""

import json
import re
from typing import Any

from tests.fakes.server import TOKEN, Fake, Refused, Request, Response, must

AUDIENCE = "120210000000000001"
HASH = re.compile(r"[0-9a-f]{64}")


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "OAuthException", "code": code}}


class Meta(Fake):
    """`state` is keyed by hash. Who sends a hash of something else than Meta hashes matches nobody: tests compare hashes."""

    window = (5000, 3600.0)

    def answer(self, request: Request) -> Response:
        must(
            request.headers.get("authorization") == f"Bearer {TOKEN}",
            400,
            _error(190, "Invalid OAuth access token"),
        )
        must(
            request.path == f"/v25.0/{AUDIENCE}/users",
            400,
            _error(100, "Unsupported request"),
        )
        must(request.method in ("POST", "DELETE"), 400, _error(100, "Method"))
        payload = request.json.get("payload")
        must(isinstance(payload, dict), 400, _error(100, "payload is required"))
        schema, rows = payload.get("schema"), payload.get("data")
        known = schema in ("EMAIL_SHA256", "PHONE_SHA256")
        must(known and isinstance(rows, list), 400, _error(100, "Invalid parameter"))
        must(1 <= len(rows) <= 10_000, 400, _error(100, "Too many users"))
        bad = [
            row
            for place, row in enumerate(rows)
            if not (isinstance(row, str) and HASH.fullmatch(row))
            or self.sour(place, row)
        ]
        for row in rows:
            if row in bad:
                continue
            if request.method == "POST":
                self.state[row] = {}
            else:
                self.state.pop(row, None)
        return Response(
            body={
                "audience_id": AUDIENCE,
                "session_id": str(len(self.requests)),
                "num_received": len(rows),
                "num_invalid_entries": len(bad),
                "invalid_entry_samples": dict.fromkeys(bad[:3], "invalid"),
            }
        )

    def too_many(self) -> Refused:
        usage = [{"type": "custom_audience", "estimated_time_to_regain_access": 3}]
        header = {"X-Business-Use-Case-Usage": json.dumps({"1": usage})}
        return Refused(400, _error(80003, "There have been too many calls"), header)
