"""Which identifier a person means by what they type, normalised as the warehouse does it."""

import duckdb

from orchestration.identity.graph import Identifier
from orchestration.identity.picture import visible
from orchestration.warehouse.phones import e164


class NotFoundError(LookupError):
    """No identifier is meant, or several are. The message says so to a person."""


def find(connection: duckdb.DuckDBPyConnection, text: str) -> Identifier:
    """The identifier that a person means by `type:value` or by a value alone, normalised as the warehouse does it."""
    found = _known(connection, text)
    if len(found) == 1:
        return found[0]
    if found:
        known = " and ".join(str(each) for each in found)
        raise NotFoundError(
            f"{visible(text, 80)!r} is known as {known}: say which one, as type:value."
        )
    raise NotFoundError(_why_unknown(connection, text))


def _known(connection: duckdb.DuckDBPyConnection, text: str) -> list[Identifier]:
    """Every identifier that the text may mean; a value may hold a colon itself."""
    found = _with_value(connection, text, kind=None)
    prefix, colon, value = text.partition(":")
    if colon:
        found = _with_value(connection, value, kind=prefix.strip()) or found
    return found


def _with_value(
    connection: duckdb.DuckDBPyConnection, value: str, kind: str | None
) -> list[Identifier]:
    rows = connection.execute(
        _FIND, {"value": value, "kind": kind, "phones": _phones(connection, value)}
    ).fetchall()
    return [Identifier(*row) for row in rows]


def _phones(connection: duckdb.DuckDBPyConnection, value: str) -> list[str]:
    """The numbers that the value is, read in every region that a source has."""
    if len(value) > 40:
        return []
    regions = connection.execute(
        "select distinct coalesce(default_region, '') from raw.sources union select '' order by 1"
    ).fetchall()
    numbers = {e164(value.strip(), region) for (region,) in regions}
    return sorted(number for number in numbers if number)


# Which forms a value takes is said by int_candidate_identifiers; these are the same.
_FIND = """
    with asked as (
        select
            trim($value) as given,
            lower(nfc_normalize(trim($value))) as folded,
            coalesce(
                (select same_as from seeds.identifier_types where identifier_type = $kind), $kind
            ) as kind
    ),
    known as (
        select identifier_id, identifier_type, identifier_value, profile_id, is_shared
        from identity.dim_identifiers
        union all
        select identifier_id, identifier_type, identifier_value, null, false
        from identity.fct_identity_demotions
        where demotion = 'hub'
    )
    select known.*
    from known, asked
    where (asked.kind is null or known.identifier_type = asked.kind)
        and case known.identifier_type
            when 'email' then known.identifier_value = asked.folded
            when 'email_sha256' then known.identifier_value = lower(asked.given)
            when 'phone' then known.identifier_value in (select unnest($phones))
            else known.identifier_value = asked.given
        end
    order by known.identifier_type
"""


def _why_unknown(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    said = repr(visible(text, 80))
    value = text.partition(":")[2] or text
    if not value.strip():
        return f"{said} is blank, and a blank identifies nobody."
    blocked = connection.execute(_BLOCKED, [[text, value]]).fetchall()
    if blocked:
        return (
            f"{said} identifies nobody: the seed blocked_identifiers blocks it"
            f" ({visible(blocked[0][0] or 'no reason given', 80)})."
        )
    kinds = connection.execute(
        "select distinct identifier_type from identity.dim_identifiers order by 1"
    ).fetchall()
    return (
        f"No record names {said}. Identifiers are given as type:value or as a value alone;"
        f" the types are {', '.join(visible(kind, 40) for (kind,) in kinds) or 'none yet'}."
    )


_BLOCKED = """
    select blocked.reason
    from seeds.blocked_identifiers as blocked, (select unnest(?) as value) as asked
    where (blocked.match = 'exact' and lower(trim(asked.value)) = blocked.blocked_value)
        or (blocked.match = 'characters' and translate(trim(asked.value), blocked.blocked_value, '') = '')
    order by blocked.reason
"""
