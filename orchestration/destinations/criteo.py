"""Criteo: cookie-based retargeting of visitors who told us no name, by the id of a cookie sync or of a device.

developers.criteo.com/marketing-solutions/docs/contact-list (read 2026-11). The recipient's key is the identifier Criteo
knows: for cookies the GUM id that the site got from the cookie sync, as its anonymous id or as an identifier of a type of
its own (`known_by`). Criteo answers with counts and samples of invalid identifiers only, so a batch with an invalid one
counts as refused, and halving it finds it.
"""

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from orchestration.destinations import egress
from orchestration.destinations.access import Access, AccessSettings
from orchestration.destinations.base import ActivationChange, Outcome, Pace, Sync
from orchestration.destinations.exchange import HttpSettings, parsed, refused, unclear
from orchestration.destinations.http_destination import HttpDestination
from orchestration.destinations.identifiers import Unfit

# marketing-solutions/docs/contact-list, read 2026-11.
MAX_IDENTIFIERS = 50_000
# Client credentials, per application: marketing-solutions/docs/rate-limits, read 2026-11.
REQUESTS, SECONDS = 250, 60.0
_SHAPES = {
    "gum": re.compile(r"[A-Za-z0-9_-]{8,128}"),
    "madid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
}


class CriteoSettings(HttpSettings):
    kind: Literal["criteo"]
    url: str = "https://api.criteo.com"
    access: AccessSettings
    segment_id: str = Field(pattern=r"^[0-9]+$", description="A contact list segment.")
    identifier: Literal["gum", "madid"] = Field(
        default="gum", description="gum: cookies; madid: advertising ids of devices."
    )
    gum_caller_id: int | None = None
    known_by: str = Field(
        default="anonymous_id", description="Type of the identifiers that Criteo knows."
    )
    batch_size: int = Field(default=MAX_IDENTIFIERS, ge=1, le=MAX_IDENTIFIERS)

    @model_validator(mode="after")
    def _cookies_need_a_caller(self) -> Self:
        if self.identifier == "gum" and self.gum_caller_id is None:
            raise ValueError("cookie ids need the gum_caller_id that Criteo gave you")
        return self


class _Counts(BaseModel):
    nbValidIdentifiers: int  # noqa: N815 - Criteo's name
    nbInvalidIdentifiers: int  # noqa: N815 - Criteo's name


class _Amendment(BaseModel):
    attributes: _Counts


class _Amended(BaseModel):
    data: _Amendment
    errors: list[object] = []


class CriteoDestination(HttpDestination):
    """See the module's docstring."""

    def __init__(
        self, settings: CriteoSettings, resolver: egress.Resolver = egress.resolve
    ) -> None:
        super().__init__(settings, resolver)
        self._settings = settings
        self.recipient_types = frozenset({settings.known_by})
        self._access = Access(settings.access, self.http)
        self._path = (
            "/2026-01/marketing-solutions/audience-segments/"
            f"{settings.segment_id}/contact-list"
        )
        self.pace = Pace(REQUESTS, SECONDS, f"criteo {settings.access.client_id}")

    def identify(self, change: ActivationChange) -> str:
        named = change.handle if change.action == "exit" else change.recipient_key
        if not _SHAPES[self._settings.identifier].fullmatch(named):
            raise Unfit(f"not a {self._settings.identifier} id")
        return named

    def ask_for(
        self, sync: Sync, verb: str, people: Mapping[str, ActivationChange]
    ) -> dict[str, Outcome]:
        settings = self._settings
        attributes: dict[str, object] = {
            "operation": verb,
            "identifierType": settings.identifier,
            "identifiers": list(people),
        }
        if settings.identifier == "gum":
            attributes["gumCallerId"] = settings.gum_caller_id
        message = {"data": {"type": "ContactlistAmendment", "attributes": attributes}}
        reply = self.http.ask_json("PATCH", self._path, message, self._access.header())
        amended = parsed(_Amended, reply)
        counts, status = amended.data.attributes, reply.status_code
        if counts.nbInvalidIdentifiers:
            raise refused(f"{counts.nbInvalidIdentifiers} invalid identifiers", status)
        if amended.errors or counts.nbValidIdentifiers != len(people):
            raise unclear(f"{counts.nbValidIdentifiers} of {len(people)} valid", status)
        return {each: Outcome("delivered", status, handle=each) for each in people}
