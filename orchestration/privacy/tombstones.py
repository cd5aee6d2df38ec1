"""The register: who must not be here any more, as keyed hashes, and what is past its time.

One file per request under home/privacy/tombstones, so that it outlives the landing zone and its backups. Without the key
beside it nobody can tell whom a tombstone is about. What a tombstone forbids in rows is sieve.py's business.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from ingestion.settings import Settings

Kind = Literal["erasure", "suppression"]

# Beside identifiers, what may point at a person: an id their profile ever had, and a value whatever its type.
PROFILE, WORD = "profile_id", "*"


@dataclass(frozen=True)
class Tombstone:
    """Whom one request is about, and from when to when it forbids them. Times are naive UTC.

    An erasure forbids what happened until `at`, and our own facts until `facts_at`; those of `open_syncs` stay, because
    a removal still needs them. A suppression forbids what came after `at`.
    """

    request_id: str
    kind: Kind
    at: datetime
    facts_at: datetime
    hashes: frozenset[str]
    records: frozenset[str] = frozenset()
    open_syncs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Records:
    """Records that are kept equally long: of a stream, or those of it that come from some sources, are of some types or
    have some names, in any case. What is empty says nothing."""

    stream: str
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Register:
    """Everything that is forbidden. `retention`: of which records what was received before is past its time."""

    key: str
    tombstones: tuple[Tombstone, ...] = ()
    retention: Mapping[Records, datetime] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.tombstones and not self.retention


def folder(settings: Settings) -> Path:
    """The folder of this room, which only the platform's own user may enter."""
    path = settings.home.resolve() / "privacy"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def key_of(settings: Settings) -> str:
    """The key, made on first use. Losing it opens the door to replays; leaking it lets values be tried."""
    path = folder(settings) / "key"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text("ascii")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_text("ascii")


def hashed(key: str, kind: str, value: str) -> str:
    """The tombstone of a value, as the sieve computes it in SQL."""
    return hashlib.sha256(f"{key}|{kind}|{value}".encode()).hexdigest()


def hashes_of(
    key: str,
    identifiers: Iterable[tuple[str, str]],
    profile_ids: Iterable[str] = (),
    words: Iterable[str] = (),
) -> frozenset[str]:
    """Tombstones of a person's identifiers (normalised, under each spelling of their type), profile ids and words."""
    named = [(kind, value) for kind, value in identifiers]
    named += [(PROFILE, profile_id) for profile_id in profile_ids]
    named += [(WORD, word.lower()) for word in words]
    return frozenset(hashed(key, kind, value) for kind, value in named)


def read_register(settings: Settings) -> Register:
    """The register as it is now. A home that nobody ever asked anything has none, and no key either."""
    home = settings.home.resolve() / "privacy"
    if not home.exists():
        return Register(key="")
    files = sorted((home / "tombstones").glob("*.json"))
    past = home / "retention.json"
    retention = _read_retention(past) if past.exists() else {}
    if not files and not retention:
        return Register(key="")
    return Register(
        key_of(settings),
        tuple(_read(path) for path in files),
        retention,
    )


def put(settings: Settings, tombstone: Tombstone) -> None:
    """Write a tombstone, in place of an earlier one of the request. It holds when this returns."""
    path = folder(settings) / "tombstones" / f"{tombstone.request_id}.json"
    document = {name: _plain(value) for name, value in vars(tombstone).items()}
    write(path, orjson.dumps(document))


def put_retention(settings: Settings, retention: Mapping[Records, datetime]) -> None:
    """From here on whatever was received before these times is forbidden."""
    path = folder(settings) / "retention.json"
    rows = [{**vars(records), "before": at} for records, at in retention.items()]
    write(path, orjson.dumps(rows))


def _read_retention(path: Path) -> dict[Records, datetime]:
    return {
        Records(
            row["stream"],
            tuple(row["sources"]),
            tuple(row["types"]),
            tuple(row["names"]),
        ): datetime.fromisoformat(row["before"])
        for row in orjson.loads(path.read_bytes())
    }


def write(path: Path, content: bytes) -> None:
    """A file that only its owner reads, whole or not at all, also after a power cut."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _read(path: Path) -> Tombstone:
    found = orjson.loads(path.read_bytes())
    return Tombstone(
        request_id=found["request_id"],
        kind=found["kind"],
        at=datetime.fromisoformat(found["at"]),
        facts_at=datetime.fromisoformat(found["facts_at"]),
        hashes=frozenset(found["hashes"]),
        records=frozenset(found["records"]),
        open_syncs=tuple(found["open_syncs"]),
    )
