"""OAuth 2 client credentials: bearer tokens (JWT) of other people's issuers, checked against the keys they publish.

We issue nothing. `issuers.yml` names each issuer we trust and the clients we know there; what a client may do here is
what a key of the same scope may do. Keys of our own are keys.py.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import httpx
import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingestion.collector.keys import Key, TenantName
from ingestion.contracts.strict_yaml import read_yaml

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"
]
"""Asymmetric ones only: with a shared secret, whoever checks a token could also make one."""

LONGEST = 16_384
FRESH_SECONDS = 3600.0
"""For so long an issuer's keys are used without asking again; a key it withdraws is good here until then."""
STALE_SECONDS = 24 * 3600.0
"""For so long the keys that were read last are good while the issuer can't be reached."""
AGAIN_SECONDS = 10.0
"""Between two questions to an issuer, whatever key ids strangers make up."""
ANSWER_SECONDS = 5.0
ANSWER_BYTES = 512 * 1024
LEEWAY_SECONDS = 30
LOOPBACK = ("127.0.0.1", "::1", "localhost")

PublicKey = dict[str, Any]
"""As published: a JSON Web Key."""


class NotTrusted(Exception):  # noqa: N818 - says what happened
    """The token opens nothing here."""


class ScopeMissing(NotTrusted):
    """The token is good, but not for bringing events."""


class IssuerSilent(Exception):  # noqa: N818 - says what happened
    """The issuer's keys can't be read now, so nobody can say whether the token is good."""


class Declared(BaseModel):
    """Part of issuers.yml; an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Client(Declared):
    """What one of an issuer's clients is here."""

    source: str = Field(min_length=1)
    scope: Literal["integration", "batch"] = "integration"
    tenant: TenantName | None = None
    rate: float | None = Field(default=None, gt=0)


class Issuer(Declared):
    """Whose tokens are taken, and what they have to say."""

    issuer: str = Field(min_length=1)
    """As in the claim `iss`, to the letter."""
    jwks_url: str
    audience: str = Field(min_length=1)
    scope: str = Field(min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    clients: dict[Annotated[str, Field(min_length=1)], Client] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_come_safely(self) -> Self:
        where = urlsplit(self.jwks_url)
        is_local = where.scheme == "http" and where.hostname in LOOPBACK
        if where.scheme != "https" and not is_local:
            raise ValueError(
                "`jwks_url` has to begin with https://; who can change the keys on their way can sign anything"
            )
        return self


class _File(Declared):
    issuers: tuple[Issuer, ...] = ()


def load_issuers(path: Path) -> tuple[Issuer, ...]:
    """The issuers declared in a file, none if there is no file. Raises ValueError with every mistake."""
    if not path.exists():
        return ()
    try:
        return _File.model_validate(read_yaml(path) or {}).issuers
    except ValidationError as error:
        sentences = [
            f"{path.name}: field `{'.'.join(map(str, each['loc']))}`: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False)
        ]
        raise ValueError("\n".join(sentences)) from error


class IssuerKeys:
    """The published keys of one issuer, read when they are needed and never more often than AGAIN_SECONDS."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._keys: dict[str | None, PublicKey] = {}
        self._read_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str | None) -> PublicKey:
        """The key of this id. Raises NotTrusted if the issuer has none, IssuerSilent if it can't be asked."""
        known = self._keys.get(key_id) if self._age < STALE_SECONDS else None
        if known and (self._age < FRESH_SECONDS or self._lock.locked()):
            return known
        async with self._lock:
            if self._clock() - self._asked_at >= AGAIN_SECONDS:
                self._asked_at = self._clock()
                await self._read()
        known = self._keys.get(key_id)
        if known and self._age < STALE_SECONDS:
            return known
        if self._read_at < self._asked_at:
            raise IssuerSilent(f"the keys at {self._url} can't be read")
        raise NotTrusted("the issuer has no such key")

    @property
    def _age(self) -> float:
        return self._clock() - self._read_at

    async def _read(self) -> None:
        """Replace the keys by what the issuer publishes now; leave them when it doesn't answer properly."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                published = _KeySet.model_validate_json(await _fetched(self._url))
        except (TimeoutError, httpx.HTTPError, ValueError):
            return
        keys = dict(_usable(published.keys))
        if len(keys) == 1:
            keys[None] = next(iter(keys.values()))  # a token may leave out the only id
        self._keys, self._read_at = keys, self._clock()


class _KeySet(BaseModel):
    keys: list[PublicKey]


async def _fetched(url: str) -> bytes:
    """The body behind a URL. Raises httpx.HTTPError, or ValueError for one that is too large."""
    body = b""
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS) as http,
        http.stream("GET", url) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"answered {answer.status_code}")
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise ValueError("more than any key set needs")
    return body


def _usable(published: list[PublicKey]) -> Iterator[tuple[str | None, PublicKey]]:
    """The public signing keys among what is published, by their ids. Those we can't read may be for somebody else."""
    for each in published:
        if each.get("kty") == "oct" or each.get("use", "sig") != "sig":
            continue
        with suppress(jwt.PyJWTError):
            jwt.PyJWK(each)
            yield each.get("kid"), each


class Issuers:
    """Everybody whose tokens are taken."""

    def __init__(
        self,
        declared: tuple[Issuer, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._known = {
            each.issuer: (each, IssuerKeys(each.jwks_url, clock)) for each in declared
        }

    async def key(self, token: str) -> Key | None:
        """What the bearer of a token may do; None if it is no token, or none of these issuers'.

        Raises NotTrusted with the reason, or IssuerSilent.
        """
        if not self._known or len(token) > LONGEST or token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
            said = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        issuer_id = said.get("iss")
        if not isinstance(issuer_id, str) or issuer_id not in self._known:
            return None
        issuer, keys = self._known[issuer_id]
        algorithm = header.get("alg")
        if algorithm not in issuer.algorithms:
            raise NotTrusted("the token is not signed in a way that is allowed")
        key = await keys.key(header.get("kid"))
        return _bearer(issuer, _verified(token, key, str(algorithm), issuer))


def _verified(
    token: str, key: PublicKey, algorithm: str, issuer: Issuer
) -> dict[str, Any]:
    """The claims of a token that is what it says it is. Raises NotTrusted."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(key, key.get("alg") or algorithm),
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=LEEWAY_SECONDS,
            options={
                "require": ["exp", "iss", "aud"],
                "enforce_minimum_key_length": True,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise NotTrusted(f"the token is not valid: {error}") from None
    return claims


def _bearer(issuer: Issuer, claims: dict[str, Any]) -> Key:
    """The client a token was given to, as a key. Raises NotTrusted."""
    scopes = claims.get("scope", claims.get("scp", ""))
    scopes = scopes.split() if isinstance(scopes, str) else scopes
    if not isinstance(scopes, list) or issuer.scope not in scopes:
        raise ScopeMissing(f"the token lacks the scope {issuer.scope}")
    names = (claims.get(claim) for claim in ("client_id", "azp", "sub"))
    name = next((each for each in names if isinstance(each, str) and each), "")
    client = issuer.clients.get(name)
    if client is None:
        raise NotTrusted(f"the client {name[:80]!r} is not known here")
    return Key(
        key_id=f"{issuer.issuer} {name}",
        sha256="",
        source_id=client.source,
        scopes=(client.scope,),
        tenant=client.tenant,
        events_per_second=client.rate,
        created_at=datetime.now(UTC),
    )
