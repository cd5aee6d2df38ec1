"""What the register forbids in rows of a stream: which are to go, and which only name somebody who went.

SQL over any relation with the columns of raw.<stream>, so that the loader, an erasure, the retention and a restored
backup are held against the very same rules. Taking rows out of files is rewriting.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ingestion.contracts import STREAMS
from ingestion.contracts.base import ExtractRow, OwnFact
from orchestration.privacy.tombstones import PROFILE, WORD, Records, Register
from orchestration.warehouse.schema import contract_columns


@dataclass(frozen=True)
class Drop:
    """The record goes."""


@dataclass(frozen=True)
class Redact:
    """The record is somebody else's: these values in it are taken out."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Seal:
    """A request of the person: its identifiers become tombstones, and how it was proved is forgotten."""

    values: tuple[str, ...] = ()


Change = Drop | Redact | Seal
Changes = dict[str, dict[str, Change]]
"""Segment → record, or the text of a line that is none → what becomes of it."""

# What a text may name somebody by: an address, a number in E.164, the hash of either; as they are or as they stand in URLs.
# mentions.py finds the same in bytes.
_PART = r"[^\s\"@<>,;:\\()\[\]{}?&=/#|%]+"
MENTION = (
    rf"{_PART}(?:@|%40){_PART}|(?:\+|%2[bB])[0-9]{{8,15}}"
    r"|\b(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b"
)
_MAY_MENTION = r"@|%40|\+[0-9]{8}|%2[bB][0-9]{8}|[0-9a-fA-F]{32}"
# A refused text has no form yet: every word of it may be an identifier.
_WORDS = r"[^\s\"'':,;{}\[\]()<>&=\\]+"

_Action = Callable[[list[str] | None], Change]
_DROP = Drop()


def _drop(_: list[str] | None) -> Change:
    return _DROP


def _redact(values: list[str] | None) -> Change:
    return Redact(tuple(values or ()))


def _seal(values: list[str] | None) -> Change:
    return Seal(tuple(values or ()))


def may_mention(stream: str) -> bool:
    """Whether its records are about people, and may name others in passing."""
    contract = STREAMS[stream]
    is_ours = issubclass(contract, OwnFact) or stream == "privacy_requests"
    return "identifiers" in contract.model_fields and not is_ours


def _aged(rows: str, records: Records, before: datetime) -> str:
    asked = {
        "source_id": records.sources,
        "type": records.types,
        "lower(name)": tuple(name.lower() for name in records.names),
    }
    which = "".join(
        f" and {column} in ({', '.join(map(_text, values))})"
        for column, values in asked.items()
        if values
    )
    return f"select record_id::varchar, _segment, null from {rows} where received_at < timestamp '{before}'{which}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class Sieve:
    """The register beside one connection. `owners` is the relation (record_id, profile_id) that says whose a record is;
    without it a record that names an erased person is taken to be theirs."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        register: Register,
        owners: str | None = None,
    ) -> None:
        self._connection, self._register, self._owners = connection, register, owners
        if not register.is_empty:
            self._prepare()

    def forbidden(
        self, stream: str, relation: str, where: str = "true", mentions: bool = True
    ) -> Changes:
        """What is to become of the rows of `relation`, a relation with the columns of raw.<stream>.

        Without `mentions`, payloads are not looked into: somebody else does.
        """
        if self._register.is_empty:
            return {}
        rows = f"(select * from {relation} where {where})"
        changes: Changes = defaultdict(dict)
        for query, action in self._queries(stream, rows, mentions):
            for record_id, segment, values in self._ask(query):
                # The first word counts: whatever goes needs no redaction.
                changes[segment].setdefault(record_id, action(values))
        return dict(changes)

    def unreadable(self, relation: str, where: str = "true") -> Changes:
        """The same of lines that are no records, in a relation with the columns segment and raw."""
        if not self._register.tombstones:
            return {}
        found = self._ask(
            f"""
            with words as (
                select segment, raw, unnest(regexp_extract_all(raw, '{_WORDS}')) as word
                from {relation} where {where}
            )
            select distinct words.raw, words.segment, null from words
            inner join tombstones on {self._hash(f"'{WORD}'", "lower(words.word)")} = tombstones.hash
            where tombstones.kind = 'erasure'
            """
        )
        changes: Changes = defaultdict(dict)
        for line, segment, _ in found:
            changes[segment][line] = Drop()
        return dict(changes)

    def _queries(
        self, stream: str, rows: str, mentions: bool
    ) -> Iterable[tuple[str, "_Action"]]:
        contract = STREAMS[stream]
        for records, before in self._register.retention.items():
            if records.stream == stream:
                yield _aged(rows, records, before), _drop
        if not self._register.tombstones:
            return
        yield (
            f"select record_id::varchar, _segment, null from {rows} where record_id in (from erased_records)",
            _drop,
        )
        if stream == "privacy_requests":
            yield self._requests(rows), _seal
        elif issubclass(contract, OwnFact):
            yield self._facts(stream, rows), _drop
        elif stream == "rejects":
            yield self._rejects(rows), _drop
        elif may_mention(stream):
            if self._spelled(rows):
                yield self._named(stream, rows, theirs=True), _drop
                if self._owners:
                    yield self._named(stream, rows, theirs=False), _redact
            if mentions:
                yield self._mentions(stream, rows), _redact

    def _named(self, stream: str, rows: str, theirs: bool) -> str:
        """Records that name an erased or suppressed person among their identifiers: theirs, or somebody else's."""
        # An extract says again what it said before; only an event says that something happened since.
        is_extract = issubclass(STREAMS[stream], ExtractRow)
        happened_at = "received_at" if is_extract else "least(occurred_at, received_at)"
        too_old = "true" if is_extract else "given.happened_at <= known.drawn_at"
        others = f"""
            select record_id from {self._owners}
            where {self._hash(f"'{PROFILE}'", "profile_id")} not in (select hash from tombstones)
        """
        whose = f"found.record_id {'not in' if theirs else 'in'} ({others})"
        return f"""
            with given as (
                select record_id, _segment, source_id, received_at, {happened_at} as happened_at,
                    unnest(identifiers, recursive := true)
                from {rows} where record_id not in (from erased_records)
            ),
            found as (
                select distinct given.record_id, given._segment, given.value
                from given
                inner join known on given.source_id = known.source_id
                    and given.type = known.type and given.value = known.value
                where case known.kind when 'suppression' then given.received_at > known.drawn_at else {too_old} end
            )
            select record_id::varchar, _segment, list(value)
            from found where {whose if self._owners else "true"}
            group by all
        """

    def _spelled(self, rows: str) -> bool:
        """Put the spellings that tombstones are about into the table `known`; whether there are any."""
        self._connection.execute(
            f"""
            create or replace temp table known as
            with given as (
                select source_id, unnest(identifiers, recursive := true) from {rows}
            )
            {self._known("given")}
            """
        )
        return bool(self._connection.execute("select 1 from known limit 1").fetchall())

    def _known(self, given: str) -> str:
        """Identifiers, as they were spelled, that a tombstone is about. Each spelling is hashed once."""
        return f"""
            select spelled.source_id, spelled.type, spelled.value, tombstones.*
            from (
                select said.*,
                    case said.type
                        when 'email' then lower(nfc_normalize(trim(said.value)))
                        when 'email_sha256' then lower(trim(said.value))
                        when 'phone' then coalesce(phones.e164, trim(said.value))
                        else trim(said.value)
                    end as form
                from (select distinct source_id, type, value from {given}) as said
                left join raw.sources as sources on said.source_id = sources.source_id
                left join raw.phone_numbers as phones
                    on said.type = 'phone' and trim(said.value) = phones.value
                    and coalesce(sources.default_region, '') = phones.region
            ) as spelled
            inner join tombstones on {self._hash("spelled.type", "spelled.form")} = tombstones.hash
        """

    def _mentions(self, stream: str, rows: str) -> str:
        """Records of others whose payload names an erased person by address, number or hash."""
        payloads = [
            f'cast("{name}" as varchar)'
            for name, kind in contract_columns(STREAMS[stream]).items()
            if kind == "json"
        ]
        form = (
            "replace(replace(lower(rtrim(spelled.word, '.')), '%40', '@'), '%2b', '+')"
        )
        return f"""
            with texts as (
                select record_id, _segment, received_at, concat_ws(' ', {", ".join(payloads)}) as text from {rows}
            ),
            words as (
                select record_id, _segment, received_at, unnest(regexp_extract_all(text, '{MENTION}')) as word
                from texts where regexp_matches(text, '{_MAY_MENTION}')
            ),
            known as (
                select spelled.word, tombstones.drawn_at
                from (select distinct word from words) as spelled
                inner join tombstones on {self._hash(f"'{WORD}'", form)} = tombstones.hash
                where tombstones.kind = 'erasure'
            )
            select words.record_id::varchar, words._segment, list(distinct words.word)
            from words inner join known on words.word = known.word
            where words.received_at <= known.drawn_at
            group by all
        """

    def _rejects(self, rows: str) -> str:
        return f"""
            with texts as (
                select record_id, _segment, received_at, concat_ws(
                    ' ', case encoding when 'base64' then try(decode(from_base64(raw))) else raw end, envelope
                ) as text
                from {rows}
            ),
            words as (
                select record_id, _segment, received_at, unnest(regexp_extract_all(text, '{_WORDS}')) as word from texts
            )
            select distinct words.record_id::varchar, words._segment, null
            from words
            inner join tombstones on {self._hash(f"'{WORD}'", "lower(words.word)")} = tombstones.hash
            where case tombstones.kind
                when 'suppression' then words.received_at > tombstones.drawn_at else words.received_at <= tombstones.drawn_at
            end
        """

    def _facts(self, stream: str, rows: str) -> str:
        """Our own facts about the person; those that a removal still needs stay."""
        named = [
            self._hash(kind, value)
            for kind, value in {
                "identity_changes": [
                    ("identifier_type", "identifier_value"),
                    (f"'{PROFILE}'", "profile_id"),
                ],
                "membership_changes": [(f"'{PROFILE}'", "profile_id")],
                "journey_decisions": [
                    (f"'{PROFILE}'", "recipient"),
                    (
                        f"'{WORD}'",
                        "case when recipient = '' then lower(recipient_key) end",
                    ),
                ],
                "deliveries": [
                    (f"'{PROFILE}'", "profile_id"),
                    (
                        f"'{WORD}'",
                        "case when profile_id is null then lower(recipient_key) end",
                    ),
                ],
            }[stream]
        ]
        sync = "sync_name" if stream == "deliveries" else "null"
        return f"""
            with named as (
                select record_id, _segment, received_at, {sync} as sync_name, unnest([{", ".join(named)}]) as hash
                from {rows}
            )
            select distinct named.record_id::varchar, named._segment, null
            from named
            inner join tombstones on named.hash = tombstones.hash
            where tombstones.kind = 'erasure' and named.received_at <= tombstones.facts_at
                and not coalesce(list_contains(tombstones.open_syncs, named.sync_name), false)
        """

    def _requests(self, rows: str) -> str:
        """Requests of the person; while a destination has not answered, the erasure itself is still needed as it is."""
        return f"""
            with given as (
                select record_id, source_id, received_at, unnest(identifiers, recursive := true) from {rows}
            ),
            known as (
                {self._known("given")}
            )
            select distinct rows.record_id::varchar, rows._segment, list(distinct given.value)
            from {rows} as rows
            inner join given on rows.record_id = given.record_id
            inner join known on given.source_id = known.source_id
                and given.type = known.type and given.value = known.value
            where known.kind = 'erasure' and known.open_syncs = [] and rows.received_at <= known.facts_at
            group by all
        """

    def _hash(self, kind: str, value: str) -> str:
        return f"sha256('{self._register.key}|' || {kind} || '|' || {value})"

    def _ask(self, query: str) -> list[tuple[str, str, list[str] | None]]:
        return self._connection.execute(query).fetchall()

    def _prepare(self) -> None:
        """Before any transaction: one that is rolled back would take the tables with it."""
        self._connection.execute(
            """
            create or replace temp table tombstones
                (hash varchar, request_id varchar, kind varchar, drawn_at timestamp, facts_at timestamp, open_syncs varchar[]);
            create or replace temp table erased_records (record_id uuid);
            """
        )
        buried = self._register.tombstones
        self._connection.execute(
            """
            insert into tombstones
            select unnest(each.hashes), each.request_id, each.kind, each.drawn_at, each.facts_at, each.open_syncs
            from (
                select unnest($all::struct(
                    hashes varchar[], request_id varchar, kind varchar, drawn_at timestamp, facts_at timestamp,
                    open_syncs varchar[]
                )[]) as each
            )
            """,
            {
                "all": [
                    {
                        "hashes": list(each.hashes),
                        "request_id": each.request_id,
                        "kind": each.kind,
                        "drawn_at": each.at,
                        "facts_at": each.facts_at,
                        "open_syncs": list(each.open_syncs),
                    }
                    for each in buried
                ]
            },
        )
        records = [record for each in buried for record in each.records]
        self._connection.execute(
            "insert into erased_records select unnest(?::varchar[])::uuid", [records]
        )
