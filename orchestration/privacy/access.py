"""Subject access: one archive per person, with every landed record and whatever was made of them.

Exact scope: rows of theirs alone. What a table holds about a person is found as an erasure finds it (erasing.about), so
that nothing can be erased that was not shown, nor shown that would not be erased.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.settings import Settings
from orchestration.privacy.erasing import about, parameters
from orchestration.privacy.sieve import Sieve
from orchestration.privacy.subject import Named, Subject, subject_of
from orchestration.privacy.tombstones import Register, Tombstone, folder, hashes_of
from orchestration.profile.page import page
from orchestration.profile.reading import person
from orchestration.warehouse.schema import read_copy

# What is landed, and what everybody may ask; the steps in between say the same again.
SHOWN = ("dim_", "fct_", "audience_")


def write_archive(
    settings: Settings, name: str, identifiers: list[Named]
) -> tuple[Path, dict[str, int]]:
    """Write the archive of the person whom the identifiers name; rows per file."""
    path = folder(settings) / "access" / f"{name}.zip"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".draft")
    counted = {}
    with read_copy(settings.published) as connection:
        subject = subject_of(connection, identifiers)
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for table, rows in tables(connection, subject):
                lines = "".join(
                    json.dumps(row, default=str, ensure_ascii=False) + "\n"
                    for row in rows
                )
                archive.writestr(f"{table}.ndjson", lines)
                counted[table] = len(rows)
            for profile in _profiles(connection, subject):
                archive.writestr(f"{profile}.html", _page(connection, profile))
            archive.writestr(
                "about.json", json.dumps(_about(subject, counted), indent=2)
            )
    draft.replace(path)
    return path, counted


def tables(
    connection: duckdb.DuckDBPyConnection, subject: Subject
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every landed stream and public table with rows about the person."""
    for table, condition in about(connection):
        schema, name = table.split(".")
        if schema != "raw" and not name.startswith(SHOWN):
            continue
        given = parameters(subject, condition)
        if table == "raw.rejects":
            condition = "cast(record_id as varchar) in (select unnest($records))"
            given = {"records": _refused(connection, subject)}
        rows = _rows(
            connection, f"select * from {table} where {condition} order by all", given
        )
        if rows:
            yield table, rows


def _refused(connection: duckdb.DuckDBPyConnection, subject: Subject) -> list[str]:
    """Refused records that name the person, found as an erasure would find them."""
    key, now = "access", datetime.now(UTC).replace(tzinfo=None)
    hashes = hashes_of(key, subject.identifiers, words=subject.words)
    asked = Register(key, (Tombstone("access", "erasure", now, now, hashes),))
    found = Sieve(connection, asked).forbidden("rejects", "raw.rejects")
    return [record for records in found.values() for record in records]


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, given: dict[str, list[str]]
) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, given)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _page(connection: duckdb.DuckDBPyConnection, profile_id: str) -> str:
    """The page of the person, without the neighbours whom its picture would show."""
    whole = person(connection, profile_id)
    own = [link for link in whole.links if link.is_live]
    return page(replace(whole, graph=([], []), links=own))


def _profiles(connection: duckdb.DuckDBPyConnection, subject: Subject) -> list[str]:
    rows = connection.execute(
        "select profile_id from profiles.dim_profiles where profile_id in (select unnest(?::varchar[])) order by 1",
        [list(subject.profile_ids)],
    ).fetchall()
    return [profile_id for (profile_id,) in rows]


def _about(subject: Subject, counted: dict[str, int]) -> dict[str, Any]:
    return {
        "identifiers": [f"{kind}:{value}" for kind, value in subject.identifiers],
        "shared_with_others": [f"{kind}:{value}" for kind, value in subject.shared],
        "note": (
            "What is known by a shared identifier alone belongs to others as well and was left out."
            if subject.shared
            else "Nothing is shared with others."
        ),
        "files": {f"{table}.ndjson": rows for table, rows in counted.items()},
    }
