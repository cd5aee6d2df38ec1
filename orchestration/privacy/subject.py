"""Whom a request is about: everything that points at one person in the read copy, and what they share with others.

Exact scope: what is theirs alone. A shared identifier belongs to the others as well, so it is named and left out.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from orchestration.destinations.identifiers import Unfit, google_email, meta_phone
from orchestration.identity.finding import NotFoundError, find
from orchestration.identity.picture import visible
from orchestration.privacy.tombstones import PROFILE

Named = tuple[str, str]
"""An identifier: its type and its value, normalised as the warehouse does it."""

# A shorter text, or one without a letter, is in too many files to be looked for byte by byte.
TELLING = 6


@dataclass(frozen=True)
class Subject:
    """One person as the read copy has them. `values` are texts that nobody else has: to look for byte by byte."""

    identifiers: tuple[Named, ...]
    shared: tuple[Named, ...] = ()
    profile_ids: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    values: tuple[str, ...] = field(default=())

    @property
    def named(self) -> tuple[Named, ...]:
        """What a request names them by. Ids of profiles, too: some destinations know people by nothing else."""
        return (*self.identifiers, *((PROFILE, each) for each in self.profile_ids))

    @property
    def words(self) -> list[str]:
        """What texts may name them by: each identifier, and what others make of it."""
        return [*(value for _, value in self.identifiers), *digests(self.identifiers)]


def digests(identifiers: Iterable[Named]) -> list[str]:
    """The hashes by which vendors exchange addresses and numbers, in each of their forms."""
    forms = {form for named in identifiers for form in _forms(*named)}
    return sorted(
        hashlib.new(algorithm, form.encode(), usedforsecurity=False).hexdigest()
        for form in forms
        for algorithm in ("md5", "sha1", "sha256")
    )


def _forms(kind: str, value: str) -> Iterable[str]:
    """As it is and as a vendor rewrites it; nothing for what nobody hashes."""
    rewritten = {"email": google_email, "phone": meta_phone}.get(kind)
    if rewritten is None:
        return
    yield value
    try:
        yield rewritten(value)
    except Unfit:
        return


def asked_about(connection: duckdb.DuckDBPyConnection, text: str) -> Named:
    """The identifier that a person means. Raises NotFoundError, also when it is not theirs alone."""
    found = find(connection, text)
    if found.is_shared or found.profile_id is None:
        raise NotFoundError(
            f"{visible(str(found), 80)} is shared by several people, so it says not whose request this is: name an identifier that is theirs alone."
        )
    return found.kind, found.value


def subject_of(
    connection: duckdb.DuckDBPyConnection, identifiers: Sequence[Named]
) -> Subject:
    """The person whom these identifiers name, as they may be spelled; whoever the copy does not know is these alone."""
    former = [value for kind, value in identifiers if kind == PROFILE]
    given = [each for each in identifiers if each[0] != PROFILE]
    identifiers = [each for named in given for each in _normal(connection, named)]
    profiles = _column(
        connection,
        "select distinct profile_id from identity.dim_identifiers inner join"
        " (select unnest($kinds) as identifier_type, unnest($values) as identifier_value)"
        " using (identifier_type, identifier_value) where not is_shared order by 1",
        kinds=[kind for kind, _ in identifiers],
        values=[value for _, value in identifiers],
    )
    rows = connection.execute(_IDENTIFIERS, {"profiles": profiles}).fetchall()
    own = {(kind, value) for kind, value, is_shared in rows if not is_shared}
    shared = {(kind, value) for kind, value, is_shared in rows if is_shared}
    own |= set(identifiers) - shared
    return Subject(
        identifiers=tuple(sorted(own)),
        shared=tuple(sorted(shared)),
        profile_ids=tuple(
            sorted({*former, *_column(connection, _FORMER, profiles=profiles)})
        ),
        records=tuple(_column(connection, _RECORDS, profiles=profiles)),
        values=tuple(sorted({*_values(connection, profiles, own), *digests(own)})),
    )


def _normal(connection: duckdb.DuckDBPyConnection, named: Named) -> list[Named]:
    """The identifier as the warehouse has it; none when it is shared, because then it is not theirs to ask about."""
    try:
        found = find(connection, ":".join(named))
    except NotFoundError:
        return [named]
    return (
        []
        if found.is_shared or found.profile_id is None
        else [(found.kind, found.value)]
    )


def _values(
    connection: duckdb.DuckDBPyConnection, profiles: list[str], own: set[Named]
) -> set[str]:
    """Identifiers and told attributes that nobody else has."""
    told = _column(connection, _TOLD, profiles=profiles)
    return {
        value
        for value in {*told, *(value for _, value in own)}
        if "@" in value
        or (
            len(value) >= TELLING
            and (any(map(str.isalpha, value)) or len(value) > TELLING)
        )
    }


def _column(
    connection: duckdb.DuckDBPyConnection, sql: str, **parameters: list[str]
) -> list[str]:
    return [str(value) for (value,) in connection.execute(sql, parameters).fetchall()]


_IDENTIFIERS = """
    with own as (
        select identifier_id, identifier_type, identifier_value
        from identity.dim_identifiers
        where profile_id in (select unnest($profiles::varchar[])) and not is_shared
    ),
    edges as (
        select identifier_id_a as one, identifier_id_b as other from identity.fct_identity_edges
        union
        select identifier_id_b, identifier_id_a from identity.fct_identity_edges
    )
    select identifier_type, identifier_value, false from own
    union
    select coalesce(types.identifier_type, own.identifier_type), own.identifier_value, false
    from own inner join seeds.identifier_types as types on own.identifier_type = types.same_as
    union
    select 'email_sha256', sha256(identifier_value), false from own where identifier_type = 'email'
    union
    select shared.identifier_type, shared.identifier_value, true
    from identity.dim_identifiers as shared
    inner join edges on shared.identifier_id = edges.other
    inner join own on edges.one = own.identifier_id
    where shared.is_shared
"""
_FORMER = """
    select distinct any_profile_id from identity.dim_profile_ids
    where profile_id in (select unnest($profiles::varchar[])) order by 1
"""
_RECORDS = """
    select record_id from identity.int_record_profiles
    where profile_id in (select unnest($profiles::varchar[])) order by 1
"""
# A name or an address that two people have says of neither that it is them.
_TOLD = """
    select value_text from profiles.int_profile_attributes
    where value_text in (
        select value_text from profiles.int_profile_attributes
        where profile_id in (select unnest($profiles::varchar[]))
    )
    group by value_text
    having count(distinct profile_id) = 1 and regexp_matches(value_text, '[[:alpha:]]')
    order by 1
"""
