"""Access tokens of vendors that want OAuth 2: the client credentials grant, or a refresh token that a person granted.

A token is kept in memory for its life and nowhere else.
"""

import time
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from orchestration.destinations.exchange import Exchange, changing_nothing, parsed

# Asked for anew so long before it ends. Reason: longer than one request may take.
SPARE_SECONDS = 60.0


class AccessSettings(BaseModel):
    """Part of a destination's declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_url: str
    client_id: str
    client_secret: SecretStr
    scope: str = ""
    refresh_token: SecretStr | None = Field(
        default=None, description="Where the vendor wants a person's grant."
    )


class _Token(BaseModel):
    access_token: str
    token_type: Literal["Bearer", "bearer", "BEARER"] = "Bearer"
    expires_in: float = 3600.0


class Access:
    """Gives the header that opens the API."""

    def __init__(self, settings: AccessSettings, http: Exchange) -> None:
        self._settings, self._http = settings, http
        self._token, self._good_until = "", 0.0

    def header(self) -> dict[str, str]:
        """Asks for a token when there is none or it ends soon. Raises NotDone."""
        if time.monotonic() >= self._good_until:
            self._renew()
        return {"authorization": f"Bearer {self._token}"}

    def _renew(self) -> None:
        given = self._settings
        form = {
            "grant_type": "client_credentials",
            "client_id": given.client_id,
            "client_secret": given.client_secret.get_secret_value(),
        }
        if given.scope:
            form["scope"] = given.scope
        if given.refresh_token is not None:
            form["grant_type"] = "refresh_token"
            form["refresh_token"] = given.refresh_token.get_secret_value()
        # OAuth answers 400 to a grant that is withdrawn (RFC 6749, 5.2).
        with changing_nothing("signing in", refusal=401):
            reply = self._http.ask(
                "POST",
                given.token_url,
                urlencode(form).encode(),
                {"content-type": "application/x-www-form-urlencoded"},
            )
            token = parsed(_Token, reply)
        self._token = token.access_token
        self._good_until = time.monotonic() + token.expires_in - SPARE_SECONDS
