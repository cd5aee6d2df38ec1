"""E.164 forms of the phone numbers that identify people, by libphonenumber, once per distinct value and region.

SQL joins them; which of them identify whom is decided there.
"""

import duckdb
import phonenumbers

from orchestration.warehouse.schema import raw_tables


def extend_phone_numbers(
    connection: duckdb.DuckDBPyConnection, streams: list[str], since_load: int = 0
) -> int:
    """Add the phone numbers in rows of `since_load` and later that are not known yet; how many were added."""
    added = 0
    for stream in streams:
        if "identifiers" not in raw_tables()[stream]:
            continue
        new = connection.execute(
            _UNKNOWN.format(stream=stream), [since_load]
        ).fetchall()
        if new:
            values, regions = zip(*new, strict=True)
            numbers = [e164(value, region) for value, region in new]
            connection.execute(
                "insert into raw.phone_numbers "
                "select unnest($values), unnest($regions), unnest($numbers::varchar[])",
                {"values": values, "regions": regions, "numbers": numbers},
            )
        added += len(new)
    return added


def e164(value: str, region: str) -> str | None:
    """The number in E.164, or None when it is no possible number. Without a region only `+` numbers are read."""
    try:
        number = phonenumbers.parse(value, region or None)
        if not phonenumbers.is_possible_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except (phonenumbers.NumberParseException, ValueError):
        return None  # ValueError: the library fails on +0000000000


_UNKNOWN = """
    with given as (
        -- unnested in the select list: as a join it costs forty times as much
        select source_id, unnest(identifiers, recursive := true)
        from raw.{stream}
        where _load_id >= ?
    ),

    seen as (
        select distinct
            trim(given.value) as value,
            coalesce(sources.default_region, '') as region
        from given
        left join raw.sources as sources on given.source_id = sources.source_id
        where given.type = 'phone'
    )
    select seen.value, seen.region
    from seen
    left join raw.phone_numbers as known
        on seen.value = known.value and seen.region = known.region
    where known.value is null and seen.value is not null
    order by seen.value, seen.region
"""
