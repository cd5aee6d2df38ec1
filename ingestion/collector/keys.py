"""API keys: making, keeping, finding, rotating and revoking them.

The file holds hashes only; a key's text is shown once, when it is made. Which header a key came in is `app`'s concern.
"""

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.events import Channel
from ingestion.settings import TENANT

Scope = Literal["tracker", "integration", "batch"]

TenantName = Annotated[str, Field(pattern=TENANT)]

CHANNEL: dict[Scope, Channel] = {
    "tracker": "client",
    "integration": "server",
    "batch": "batch",
}

RELOAD_SECONDS = 1.0
"""How long a revoked key may live on in a running collector, and a new one wait."""


class UnknownKey(LookupError):  # noqa: N818 - says what happened
    """No key has that id, or more than one begins with it."""


class Key(BaseModel):
    """What is kept of a key. `source_id` is the source of every event it brings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    sha256: str
    source_id: str = Field(min_length=1)
    tenant: TenantName | None = None
    """Whose events it brings; the house's own if unset."""
    scopes: tuple[Scope, ...] = Field(min_length=1)
    origins: tuple[str, ...] = ()
    """Web origins a tracker key may be used from; none means any."""
    events_per_second: float | None = Field(default=None, gt=0)
    created_at: datetime
    replaces: str | None = None
    """The key that was rotated into this one."""
    expires_at: datetime | None = None
    """Set when it is rotated: until then both are good, so that no sender has to change at one moment."""
    revoked_at: datetime | None = None

    @property
    def channel(self) -> Channel:
        return CHANNEL[self.scopes[0]]

    @property
    def is_good(self) -> bool:
        """Neither revoked nor at its end."""
        ended = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return self.revoked_at is None and not ended

    def allows_origin(self, origin: str | None) -> bool:
        return not self.origins or origin in self.origins


class _KeyFile(BaseModel):
    keys: list[Key] = []


class KeyStore:
    """The keys of one file. Several processes may read and change it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_hash: dict[str, Key] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._checked_at = float("-inf")

    def find(self, text: str) -> Key | None:
        """The key with this text, if it is good."""
        now = time.monotonic()
        if now - self._checked_at >= RELOAD_SECONDS:
            self._checked_at = now
            self._reload()
        key = self._by_hash.get(_sha256(text))
        return key if key and key.is_good else None

    def all(self) -> list[Key]:
        """Every key ever made, revoked ones included, oldest first."""
        return self._read().keys

    def create(
        self,
        source_id: str,
        scopes: tuple[Scope, ...],
        origins: tuple[str, ...] = (),
        events_per_second: float | None = None,
        tenant: str | None = None,
    ) -> tuple[str, Key]:
        """A new random key: its text, which is not kept, and what is."""
        text = _random_text(scopes)
        return text, self.import_text(
            text, source_id, scopes, origins, events_per_second, tenant
        )

    def import_text(
        self,
        text: str,
        source_id: str,
        scopes: tuple[Scope, ...],
        origins: tuple[str, ...] = (),
        events_per_second: float | None = None,
        tenant: str | None = None,
    ) -> Key:
        """Admit a key whose text somebody already has. Raises ValueError if it is in use."""
        key = Key(
            key_id=_new_id(),
            sha256=_sha256(text),
            source_id=source_id,
            tenant=tenant,
            scopes=scopes,
            origins=origins,
            events_per_second=events_per_second,
            created_at=datetime.now(UTC),
        )

        def add(keys: list[Key]) -> list[Key]:
            taken = next((each for each in keys if each.sha256 == key.sha256), None)
            if taken:
                raise ValueError(f"this key exists already, as {taken.key_id}")
            return [*keys, key]

        self._change(add)
        return key

    def rotate(self, key_id: str, overlap: timedelta) -> tuple[str, Key, Key]:
        """Make a successor with the same rights: its text, what is kept of it, and the old key, which ends after
        `overlap`. Raises UnknownKey, or ValueError if the key is at its end already."""
        at = datetime.now(UTC)
        done: list[tuple[str, Key, Key]] = []

        def replace(keys: list[Key]) -> list[Key]:
            old = _meant(keys, key_id)
            if old.revoked_at or old.expires_at:
                raise ValueError(f"{old.key_id} is revoked or was rotated before")
            text = _random_text(old.scopes)
            news = {"key_id": _new_id(), "sha256": _sha256(text), "created_at": at}
            new = old.model_copy(update={**news, "replaces": old.key_id})
            ending = old.model_copy(update={"expires_at": at + overlap})
            done.append((text, new, ending))
            return [*(ending if each is old else each for each in keys), new]

        self._change(replace)
        return done[0]

    def revoke(self, key_id: str) -> Key:
        """Stop accepting the key whose id begins with `key_id`. Raises UnknownKey."""
        revoked: list[Key] = []

        def stop(keys: list[Key]) -> list[Key]:
            meant = _meant(keys, key_id)
            at = meant.revoked_at or datetime.now(UTC)
            revoked.append(meant.model_copy(update={"revoked_at": at}))
            return [revoked[0] if each is meant else each for each in keys]

        self._change(stop)
        return revoked[0]

    def _change(self, change: Callable[[list[Key]], list[Key]]) -> None:
        with self._locked():
            keys = change(self._read().keys)
            temporary = self._path.with_suffix(".tmp")
            with open(temporary, "w", opener=_private) as file:
                file.write(_KeyFile(keys=keys).model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        self._checked_at = float("-inf")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path.with_suffix(".lock"), "w", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> _KeyFile:
        try:
            return _KeyFile.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _KeyFile()

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
            stamp = stat.st_mtime_ns, stat.st_ino, stat.st_size
        except FileNotFoundError:
            stamp = None
        if stamp != self._stamp:
            self._by_hash = {each.sha256: each for each in self._read().keys}
            self._stamp = stamp


def _meant(keys: list[Key], key_id: str) -> Key:
    meant = [each for each in keys if each.key_id.startswith(key_id)]
    if len(meant) != 1:
        raise UnknownKey(f"{len(meant)} keys have an id like {key_id!r}")
    return meant[0]


def _new_id() -> str:
    return secrets.token_hex(4)


def _random_text(scopes: tuple[Scope, ...]) -> str:
    return f"mr_{scopes[0]}_{secrets.token_urlsafe(24)}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
