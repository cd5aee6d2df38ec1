"""Erasure, in steps of which each may be repeated: case, tombstone, landing zone, warehouse, other places, certificate.

A person is erased once no destination holds them any more, or when the deadline will not wait; what a removal still needs
then stays until it was answered. The case file holds whom it is about until the certificate is landed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ingestion.contracts import STREAMS
from ingestion.contracts.base import ExtractRow
from ingestion.crash_points import reached
from ingestion.landing import read_tail
from ingestion.segments import archived_segment
from ingestion.settings import Settings
from orchestration.instance import alone
from orchestration.privacy import places
from orchestration.privacy.mentions import Mentions
from orchestration.privacy.requests import Request, land_done, open_requests
from orchestration.privacy.rewriting import Known, Rewritten, rewrite_loaded
from orchestration.privacy.sieve import Change, Drop, Redact, Sieve, may_mention
from orchestration.privacy.subject import Named, Subject, digests, subject_of
from orchestration.privacy.tombstones import (
    Tombstone,
    folder,
    hashes_of,
    key_of,
    put,
    read_register,
    write,
)
from orchestration.warehouse.engines import OWNERS, forget, raw_at_hand
from orchestration.warehouse.schema import read_copy, warehouse
from orchestration.warehouse.segments import content


@dataclass
class Case:
    """An erasure under way."""

    request_id: str
    requested_at: datetime
    due_at: datetime
    erased_at: datetime
    subject: Subject
    open_syncs: list[str] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    is_erased: bool = False
    places: dict[str, int] = field(default_factory=dict)


def prepare(settings: Settings, request: Request, despite_open: bool = False) -> bool:
    """Open the case of a request, or open it again when a destination has answered; whether there is something to erase.

    With `despite_open` the deadline does not wait for destinations.
    """
    known = next(
        (c for c in open_cases(settings) if c.request_id == request.request_id), None
    )
    if known and not known.is_erased:
        return True
    with read_copy(settings.published) as connection:
        subject = (
            known.subject if known else subject_of(connection, request.identifiers)
        )
        waiting = still_there(connection, settings, subject)
        before = known.before if known else count(connection, subject)
    if (known and waiting == known.open_syncs) or (waiting and not despite_open):
        return False
    now = datetime.now(UTC).replace(tzinfo=None)
    case = Case(
        request.request_id,
        request.requested_at,
        request.due_at,
        known.erased_at if known else now,
        subject,
        waiting,
        before,
    )
    _save(settings, case)
    reached("privacy.opened")
    return True


def erase(settings: Settings) -> list[Case]:
    """Take everybody whose case is open out of everything but the published copy, which the next refresh replaces.

    Does nothing when there is none. Killed anywhere, it is called again.
    """
    with alone(settings):
        cases = [case for case in open_cases(settings) if not case.is_erased]
        if not cases:
            return []
        for case in cases:
            put(settings, _tombstone(settings, case))
        reached("privacy.tombstoned")
        places.forget_pulls(settings, take_out(settings).sources)
        forget_warehouse(settings)
        reached("privacy.forgotten")
        removed = places.remove_copies(settings)
        values = {
            v for case in cases if not case.open_syncs for v in case.subject.values
        }
        removed += places.remove_archives(settings, sorted(values))
        cleaned = places.sweep(settings, sorted(values))
        reached("privacy.swept")
        for case in cases:
            case.is_erased = True
            case.places = {
                "copies removed": removed,
                "logs and databases cleaned": cleaned,
            }
            _save(settings, case)
        return cases


@dataclass(frozen=True)
class TakenOut:
    """What was rewritten, and the extract sources whose rows went."""

    segments: list[Rewritten]
    sources: set[str]


def take_out(settings: Settings) -> TakenOut:
    """Rewrite every segment that holds what the register forbids."""
    raw_at_hand(settings)
    register = read_register(settings)
    with warehouse(settings.warehouse) as connection:
        sieve = Sieve(
            connection, register, OWNERS if _has(connection, OWNERS) else None
        )
        changes: dict[tuple[str, str], dict[str, Change]] = {}
        for stream in STREAMS:
            raw = f"raw.{stream}"
            found = sieve.forbidden(stream, raw, mentions=False)
            changes |= {(stream, name): each for name, each in found.items()}
        ledger = {
            (stream, segment): Known(*known)
            for stream, segment, *known in connection.execute(
                "select stream, segment, bytes, lines, sha256 from raw.loads"
            ).fetchall()
        }
        streams = {segment: stream for stream, segment in ledger}
        for segment, lines in sieve.unreadable("raw.load_rejects").items():
            changes.setdefault((streams[segment], segment), {}).update(lines)
        sources = _sources(connection, changes)
    mentions = Mentions(register)
    rewritten = [
        entry
        for place, known in sorted(ledger.items())
        if (entry := _rewrite(settings, place, changes.get(place, {}), known, mentions))
    ]
    return TakenOut(rewritten, sources)


def _rewrite(
    settings: Settings,
    place: tuple[str, str],
    changes: dict[str, Change],
    known: Known,
    mentions: Mentions,
) -> Rewritten | None:
    """Rewrite one segment, unless nothing in it is forbidden."""
    stream, name = place
    if not changes and not may_mention(stream):
        return None
    segment = archived_segment(settings.landing, stream, name)
    text = content(segment)
    if may_mention(stream):
        for record, words in mentions.of(text).items():
            also = changes.setdefault(record, Redact(()))
            if isinstance(also, Redact):
                changes[record] = Redact((*also.values, *sorted(words)))
    return rewrite_loaded(settings, segment, text, changes, known) if changes else None


def forget_warehouse(settings: Settings) -> None:
    """Remove the warehouse: deleted rows stay in the pages of a file. The next refresh builds it from the landing zone."""
    forget(settings)
    if settings.warehouse.exists():
        with warehouse(settings.warehouse):  # nobody else has it
            settings.warehouse.unlink()
    for path in settings.warehouse.parent.glob(f"{settings.warehouse.name}*"):
        path.unlink()


def certify(settings: Settings) -> list[dict[str, Any]]:
    """After the refresh: count again, search everything, land the certificate and close the case."""
    requests = {each.request_id: each for each in open_requests(settings)}
    certificates = []
    for case in open_cases(settings):
        if not (case.is_erased and _is_refreshed(settings, case)):
            continue
        certificate = _certificate(settings, case)
        certificates.append(certificate)
        write(
            folder(settings) / "certificates" / f"{case.request_id}.json",
            orjson.dumps(certificate, option=orjson.OPT_INDENT_2),
        )
        if certificate["open"]:
            continue  # the case stays, with what the last removal needs
        if request := requests.get(case.request_id):
            land_done(settings, request, certificate)
        reached("privacy.certified")
        _path(settings, case.request_id).unlink()
    return certificates


def _is_refreshed(settings: Settings, case: Case) -> bool:
    """Whether the published copy was made after the person was taken out."""
    taken_out = _path(settings, case.request_id).stat().st_mtime_ns
    return (
        settings.published.exists()
        and settings.published.stat().st_mtime_ns > taken_out
    )


def _certificate(settings: Settings, case: Case) -> dict[str, Any]:
    with read_copy(settings.published) as connection:
        after = count(connection, case.subject)
        waiting = still_there(connection, settings, case.subject)
    values = case.subject.values
    found = places.search(settings, values)
    return {
        "request": case.request_id,
        "requested_at": case.requested_at.isoformat(),
        "due_at": case.due_at.isoformat(),
        "erased_at": case.erased_at.isoformat(),
        "certified_at": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "identifiers": len(case.subject.identifiers),
        "shared_identifiers_left": len(case.subject.shared),
        "rows_before": case.before,
        "rows_after": {place: n for place, n in after.items() if n},
        "other_places": case.places,
        "searched_for": len(values),
        "found_again": found,
        "files_handed_over_that_name_them": places.handed_over(settings, values),
        "waiting_for_destinations": waiting,
        "open": sorted([*waiting, *found]),
    }


def count(connection: duckdb.DuckDBPyConnection, subject: Subject) -> dict[str, int]:
    """Table → rows about the person, of every table that knows a profile, an identifier or a record of theirs."""
    counted = {}
    for table, condition in about(connection):
        sql = f"select count(*) from {table} where {condition}"
        ((rows,),) = connection.execute(sql, parameters(subject, sql)).fetchall()
        if rows:
            counted[table] = rows
    return counted


def about(connection: duckdb.DuckDBPyConnection) -> Iterable[tuple[str, str]]:
    """Every table and view, and the condition that finds a person in it."""
    columns: dict[str, set[str]] = defaultdict(set)
    for table, column in connection.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
        " where not internal and schema_name not in ('seeds', 'main') order by all"
    ).fetchall():
        columns[table].add(column)
    for table, names in columns.items():
        conditions = [sql for needed, sql in CONDITIONS if needed <= names]
        if conditions:
            yield table, conditions[0]


# The first whose columns a table has. Records first: whose a record is was decided once, for all tables.
CONDITIONS: Sequence[tuple[set[str], str]] = (
    (
        {"identifier_type", "identifier_value"},
        "(identifier_type, identifier_value) in (select unnest($kinds), unnest($values))",
    ),
    (
        {"contact_type", "contact_value"},
        "(contact_type, contact_value) in (select unnest($kinds), unnest($values))",
    ),
    ({"profile_id"}, "profile_id in (select unnest($profiles))"),
    ({"surviving_profile_id"}, "surviving_profile_id in (select unnest($profiles))"),
    ({"recipient"}, "recipient in (select unnest($profiles))"),
    ({"record_id"}, "cast(record_id as varchar) in (select unnest($records))"),
)


def parameters(subject: Subject, sql: str) -> dict[str, list[str]]:
    """Those parameters of a condition that it has."""
    given = {
        "kinds": [kind for kind, _ in subject.identifiers],
        "values": [value for _, value in subject.identifiers],
        "profiles": list(subject.profile_ids),
        "records": list(subject.records),
    }
    return {name: value for name, value in given.items() if f"${name}" in sql}


def still_there(
    connection: duckdb.DuckDBPyConnection, settings: Settings, subject: Subject
) -> list[str]:
    """Syncs whose destination holds the person, or may, by the copy and by what was landed since."""
    present = set(
        connection.execute(
            "select sync_name, recipient_key from activation.int_sync_delivered"
            " where is_present and profile_id in (select unnest(?::varchar[]))",
            [list(subject.profile_ids)],
        ).fetchall()
    )
    seen = connection.execute(
        "select segment from raw.loads where stream = 'deliveries'"
    ).fetchall()
    tail = read_tail(settings.landing, "deliveries", {name for (name,) in seen})
    ids = set(subject.profile_ids)
    for row in sorted(tail, key=lambda row: str(row["record_id"])):
        key = row["sync_name"], row["recipient_key"]
        if row.get("action") in (None, "trigger") or not (
            key in present or row["profile_id"] in ids
        ):
            continue
        is_gone = (
            row["kind"] == "outcome"
            and row["outcome"] == "delivered"
            and row["action"] == "exit"
        )
        if is_gone:
            present.discard(key)
        elif row["outcome"] != "retry":
            present.add(key)
    return sorted({sync for sync, _ in present})


def open_cases(settings: Settings) -> list[Case]:
    return [_read(path) for path in sorted((folder(settings) / "cases").glob("*.json"))]


def _tombstone(settings: Settings, case: Case) -> Tombstone:
    subject = case.subject
    hashed = [("email_sha256", each) for each in digests(subject.identifiers)]
    return Tombstone(
        request_id=case.request_id,
        kind="erasure",
        at=case.erased_at,
        facts_at=datetime.now(UTC).replace(tzinfo=None),
        hashes=hashes_of(
            key_of(settings),
            [*subject.identifiers, *hashed],
            subject.profile_ids,
            subject.words,
        ),
        records=frozenset(subject.records),
        open_syncs=tuple(case.open_syncs),
    )


def _sources(
    connection: duckdb.DuckDBPyConnection,
    changes: dict[tuple[str, str], dict[str, Change]],
) -> set[str]:
    found: set[str] = set()
    for stream, contract in STREAMS.items():
        records = [
            record
            for (name, _), each in changes.items()
            if name == stream
            for record, change in each.items()
            if isinstance(change, Drop)
        ]
        if issubclass(contract, ExtractRow) and records:
            rows = connection.execute(
                f"select distinct source_id from raw.{stream} where record_id in (select try_cast(unnest(?::varchar[]) as uuid))",
                [records],
            ).fetchall()
            found |= {source for (source,) in rows}
    return found


def _has(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    schema, name = relation.split(".")
    return bool(
        connection.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )


def _path(settings: Settings, request_id: str) -> Path:
    return folder(settings) / "cases" / f"{request_id}.json"


def _save(settings: Settings, case: Case) -> None:
    write(_path(settings, case.request_id), orjson.dumps(asdict(case)))


def _read(path: Path) -> Case:
    found = orjson.loads(path.read_bytes())
    subject = found["subject"]
    times = ("requested_at", "due_at", "erased_at")
    return Case(
        **found
        | {name: datetime.fromisoformat(found[name]) for name in times}
        | {
            "subject": Subject(
                identifiers=_pairs(subject["identifiers"]),
                shared=_pairs(subject["shared"]),
                profile_ids=tuple(subject["profile_ids"]),
                records=tuple(subject["records"]),
                values=tuple(subject["values"]),
            )
        }
    )


def _pairs(values: list[list[str]]) -> tuple[Named, ...]:
    return tuple((kind, value) for kind, value in values)
