"""Google Customer Match through the Data Manager API: people by hashed e-mail address or phone number.

developers.google.com/data-manager/api/reference/rest/v1 and .../devguides/concepts/understand-errors (read 2026-11). A
request with one bad record is refused as a whole; else it is accepted as a job, and the job tells counts by reason, never
who. So a job that succeeded in part is unknown for everyone in it, and they are asserted again. Gmail addresses lose dots
and plus, phone numbers keep theirs.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from orchestration.destinations import egress
from orchestration.destinations.access import Access, AccessSettings
from orchestration.destinations.base import ActivationChange, Outcome, Pace, Sync
from orchestration.destinations.exchange import HttpSettings, NotDone, parsed, stopped
from orchestration.destinations.http_destination import HttpDestination, named_by
from orchestration.destinations.identifiers import (
    google_email,
    is_sha256,
    phone,
    sha256,
)

# developers.google.com/data-manager/api/devguides/limits, read 2026-11.
MAX_MEMBERS = 10_000
REQUESTS_A_MINUTE = 300
# developers.google.com/data-manager/api/devguides/diagnostics, read 2026-11; then ever less often.
POLL_AFTER = timedelta(minutes=30)
FIELDS = {"email": "emailAddress", "phone": "phoneNumber"}


class GoogleSettings(HttpSettings):
    kind: Literal["google"]
    url: str = "https://datamanager.googleapis.com/v1"
    access: AccessSettings
    project: str = Field(description="The Cloud project; quotas are per project.")
    account_id: str = Field(pattern=r"^[0-9]{10}$", description="Google Ads account.")
    login_account_id: str | None = Field(
        default=None, pattern=r"^[0-9]{10}$", description="The manager account, if any."
    )
    user_list_id: str = Field(pattern=r"^[0-9]+$")
    consented_purposes: tuple[str, ...] = Field(
        default=("advertising",),
        description="Purposes whose consent covers Google's use for ads; nobody else is sent.",
    )
    batch_size: int = Field(default=MAX_MEMBERS, ge=1, le=MAX_MEMBERS)


class _Accepted(BaseModel):
    requestId: str = Field(min_length=1)  # noqa: N815 - Google's name


class _Count(BaseModel):
    reason: str = ""
    recordCount: str = "0"  # noqa: N815 - Google's name


class _Errors(BaseModel):
    errorCounts: list[_Count] = []  # noqa: N815 - Google's name


class _State(BaseModel):
    requestStatus: str  # noqa: N815 - Google's name
    errorInfo: _Errors = _Errors()  # noqa: N815 - Google's name


class _Status(BaseModel):
    requestStatusPerDestination: list[_State]  # noqa: N815 - Google's name


class GoogleDestination(HttpDestination):
    """See the module's docstring."""

    recipient_types = frozenset(FIELDS)
    poll_after = POLL_AFTER

    def __init__(
        self, settings: GoogleSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        self._access = Access(settings.access, self.http)
        self.pace = Pace(REQUESTS_A_MINUTE, 60.0, f"google {settings.project}")

    def identify(self, change: ActivationChange) -> str:
        named = change.handle if change.action == "exit" else change.recipient_key
        if is_sha256(named):
            return named
        tidy = google_email if change.recipient_type == "email" else phone
        return sha256(tidy(named))

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        message = self._message(people)
        if verb == "add":
            if sync.purpose not in self._settings.consented_purposes:
                raise stopped(
                    f"{self.name} needs consent for ads, and the sync's purpose is {sync.purpose}"
                )
            message |= _ASSURANCES
        path = f"/audienceMembers:{'ingest' if verb == 'add' else 'remove'}"
        reply = self.http.ask_json("POST", path, message, self._access.header())
        job = parsed(_Accepted, reply).requestId
        return {
            each: Outcome("accepted", reply.status_code, handle=each, job=job)
            for each in people
        }

    def poll(self, sync: Sync, job: str) -> Outcome:
        path = f"/requestStatus:retrieve?requestId={quote(job, safe='')}"
        try:
            reply = self.http.ask("GET", path, headers=self._access.header())
            states = parsed(_Status, reply).requestStatusPerDestination
        except NotDone as failed:
            gone = failed.reply is not None and failed.reply.status_code == 404
            return Outcome(
                "unknown" if gone else "accepted", None, "no status of the job"
            )
        return _of_states(states)

    def _message(self, people: Mapping[str, ActivationChange]) -> dict[str, Any]:
        settings = self._settings
        target: dict[str, Any] = {
            "operatingAccount": _account(settings.account_id),
            "productDestinationId": settings.user_list_id,
        }
        if settings.login_account_id is not None:
            target["loginAccount"] = _account(settings.login_account_id)
        field = FIELDS[named_by(people)]
        members = [{"userData": {"userIdentifiers": [{field: h}]}} for h in people]
        return {
            "destinations": [target],
            "audienceMembers": members,
            "encoding": "HEX",
        }


# What a request to add people must say. It is true because only consenting people are planned, and only for a purpose
# that covers it.
_ASSURANCES = {
    "consent": {
        "adUserData": "CONSENT_GRANTED",
        "adPersonalization": "CONSENT_GRANTED",
    },
    "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
}


def _account(number: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": number}


def _of_states(states: list[_State]) -> Outcome:
    """The job's outcome for everyone in it. FAILED means that no record was processed."""
    kinds = {state.requestStatus for state in states}
    reasons = "; ".join(
        f"{count.recordCount} {count.reason}"
        for state in states
        for count in state.errorInfo.errorCounts
    )[:200]
    if kinds == {"SUCCESS"}:
        return Outcome("delivered", 200)
    if kinds == {"FAILED"}:
        return Outcome("retry", 200, reasons)
    if "PROCESSING" in kinds:
        return Outcome("accepted", 200)
    return Outcome("unknown", 200, reasons)
