"""Where else a person may be found than in the landing zone and its warehouse: pages, plans, logs, Dagster's own storage.

Texts lose the values, databases lose them row by row and are packed anew, copies that are made again are removed. And the
proof: a search, byte by byte, of everything the platform keeps.
"""

import json
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import zstandard

from ingestion.settings import Settings
from orchestration.privacy.rewriting import TAKEN_OUT
from orchestration.privacy.tombstones import write

# Made anew by whoever wants them.
MADE_AGAIN = (
    "plans",
    "published/draft",
    "published/profiles",
    "published/quality",
    "walks",
)
# Kept for their own sake, without the person.
KEPT = ("dagster", "logs", "locks")
# Not ours to change: what others put here for us, and what was handed over to others.
NOT_OURS = ("extracts", "outbox", "demo", "tenants")
# What only the erasure itself needs; closing the case removes it.
CASES = "privacy/cases"


def remove_copies(settings: Settings) -> int:
    """Remove pages, plans and drafts; how many files."""
    home = settings.home.resolve()
    files = [path for name in MADE_AGAIN for path in _files(home / name)]
    files += [
        *settings.landing.glob("*/*/*.rewriting"),
        *settings.landing.glob("*/*/*.partial"),
    ]
    for path in files:
        path.unlink()
    return len(files)


def remove_archives(settings: Settings, values: Sequence[str]) -> int:
    """Remove the access archives that name the person; how many. Those of others wait to be handed over."""
    archives = (settings.home / "privacy" / "access").glob("*.zip")
    theirs = [path for path in archives if _holds(_content(path), values)]
    for path in theirs:
        path.unlink()
    return len(theirs)


def forget_pulls(settings: Settings, sources: Iterable[str]) -> None:
    """What connectors remember of these sources is read from the landing zone again, where it is no more."""
    for source in sources:
        for path in (settings.home / "connectors").glob(f"{source}.sqlite*"):
            path.unlink()


def sweep(settings: Settings, values: Sequence[str]) -> int:
    """Take the values out of logs and databases; how many files held one."""
    home = settings.home.resolve()
    kept = [path for name in KEPT for path in _files(home / name)]
    found = 0
    for path in [*kept, *home.glob("*.json")]:
        if path == settings.keys or path.suffix in ("-wal", "-shm"):
            continue
        if _is_database(path):
            found += _clean_database(path, values)
        elif _holds(path.read_bytes(), values):
            _clean_text(path, values)
            found += 1
    return found


def search(settings: Settings, values: Sequence[str]) -> dict[str, int]:
    """File → how many of the values it holds, of everything the platform keeps and may change. Packed files are unpacked."""
    home = settings.home.resolve()
    found = {}
    for path in _files(home):
        place = path.relative_to(home)
        if place.parts[0] in NOT_OURS or str(place).startswith(CASES):
            continue
        if count := len(_held(_content(path), values)):
            found[str(place)] = count
    return found


def handed_over(settings: Settings, values: Sequence[str]) -> int:
    """Files in the outbox that name the person: they are whoever's picked them up."""
    return sum(_holds(path.read_bytes(), values) for path in _files(settings.outbox))


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    return data


def spellings(value: str) -> set[bytes]:
    """The value in small letters, as texts, JSON, URLs and pages spell it."""
    forms = {value, value.lower(), value.upper()}  # bytes know the case of ASCII alone
    spelled = [
        spell(form)
        for form in forms
        for spell in (str, lambda text: json.dumps(text)[1:-1], quote, _quoted, escape)
    ]
    return {each.encode().lower() for each in spelled}


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _holds(data: bytes, values: Sequence[str]) -> bool:
    return bool(_held(data, values))


def _held(data: bytes, values: Sequence[str]) -> list[str]:
    lowered = data.lower()
    return [v for v in values if any(each in lowered for each in spellings(v))]


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _any_of(values: Sequence[str]) -> re.Pattern[bytes]:
    """Any spelling of any of them, the longest first: one may be the beginning of another."""
    forms = {each for value in values for each in spellings(value)}
    longest = sorted(forms, key=len, reverse=True)
    return re.compile(b"|".join(map(re.escape, longest)), re.IGNORECASE)


def _clean_text(path: Path, values: Sequence[str]) -> None:
    """The same text without the values."""
    write(path, _any_of(values).sub(TAKEN_OUT.encode(), path.read_bytes()))


def _clean_database(path: Path, values: Sequence[str]) -> bool:
    """Whether the database held a value. Packed anew, because deleted rows stay in the pages of a file."""
    if not values:
        return False
    pattern = _any_of(values)

    def without(cell: Any) -> Any:
        if isinstance(cell, str):
            return pattern.sub(TAKEN_OUT.encode(), cell.encode()).decode()
        return (
            pattern.sub(TAKEN_OUT.encode(), cell) if isinstance(cell, bytes) else cell
        )

    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        database.create_function("without", 1, without, deterministic=True)
        changed = sum(
            database.execute(
                f'update "{table}" set "{column}" = without("{column}") where without("{column}") is not "{column}"'
            ).rowcount
            for table in _names(
                database, "select name from sqlite_master where type = 'table'"
            )
            for column in _names(
                database, f"select name from pragma_table_info('{table}')"
            )
        )
        if changed:
            database.execute("pragma wal_checkpoint(truncate)")
            database.execute("vacuum")
            database.execute("pragma wal_checkpoint(truncate)")
    return bool(changed)


def _names(database: sqlite3.Connection, sql: str) -> list[str]:
    return [name for (name,) in database.execute(sql).fetchall()]
