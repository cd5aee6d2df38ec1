"""A row as extracted → the fields of its contract, as the source's declaration says. Pure; raises CellError.

One function per kind of source. Nothing here knows files, earlier pulls or the landing zone.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unicodedata import normalize

import orjson

from ingestion.connectors import values as v
from ingestion.connectors.declarations import (
    Amount,
    CatalogSource,
    Consent,
    EventRows,
    ExtractSource,
    Identified,
    Identifiers,
    MarketingSource,
    ProfileSource,
    RecordSource,
    Word,
)
from ingestion.contracts.identifiers import TOP_LEVEL

Body = dict[str, Any]
Cells = Mapping[str, Any]

CONTACTS = ("email", "phone")
_TYPED: dict[str, Callable[[Any, str], Any]] = {
    "integer": v.integer,
    "decimal": v.number,
    "boolean": v.yes_or_no,
    "timestamp": v.moment,
}


def row_key(source: ExtractSource, row: Cells, place: str) -> str:
    """The row's key within its source: its place if no column is one; several columns become a JSON list.

    Blank parts raise CellError.
    """
    if not source.row_key:
        return place
    parts = [v.text(v.cell(row, column)) for column in source.row_key]
    for column, part in zip(source.row_key, parts, strict=True):
        if not part:
            raise v.CellError(
                "missing_key",
                column,
                f"column {column!r} identifies the row and is empty or missing",
            )
    return parts[0] if len(parts) == 1 else orjson.dumps(parts).decode()


def mapped(source: ExtractSource, row: Cells) -> Body:
    """The contract's fields, without the row's place, key and hash."""
    typed = {**row, **_typed(source, row)} if source.types else row
    match source:
        case ProfileSource():
            return _profile(source, typed)
        case RecordSource():
            return _record(source, typed)
        case CatalogSource():
            return _product(source, typed)
        case MarketingSource():
            return _metric(source, typed)
        case EventRows():
            return _call(source, typed)
    raise TypeError(f"no mapping for sources of kind {source.kind!r}")


def row_hash(body: Body) -> bytes:
    """Hash of the row as mapped: equal rows have equal hashes, whatever file or line they came from."""
    canonical = orjson.dumps(
        body, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
    )
    return hashlib.sha256(canonical).digest()


def _typed(source: ExtractSource, row: Cells) -> Body:
    return {
        column: _TYPED[kind](v.cell(row, column), column)
        for column, kind in source.types.items()
    }


def time_of(body: Body) -> datetime | None:
    """The time a mapped row is about; a day is over at its end."""
    if day := body.get("metric_date"):
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    if said := body.get("timestamp"):
        return v.moment(said, "timestamp")
    found: datetime | None = body.get("observed_at") or body.get("occurred_at")
    return found


def _call(source: EventRows, row: Cells) -> Body:
    """The row as a call of the Segment spec, so that what every call means is meant by rows, too."""
    when = v.cell(row, source.occurred_at)
    if v.moment(when, source.occurred_at) is None:
        detail = f"column {source.occurred_at!r} has to say when it happened"
        raise v.CellError("missing_value", source.occurred_at, detail)
    kind = _word(source.type, row)
    call: Body = {"type": kind, "timestamp": v.as_given(when)}
    if source.event:
        call["event" if kind == "track" else "name"] = _word(source.event, row)
    context = _chosen(source.context, row, frozenset())
    identified = _identifiers(source.identifiers, row)
    others = [each for each in identified if not _placed(call, each)]
    if others:
        ids = [{"type": each["type"], "id": each["value"]} for each in others]
        context["externalIds"] = ids
    return call | {
        "properties": _chosen(source.properties, row, source.meaningful),
        "traits": _chosen(source.traits, row, frozenset()) or None,
        "context": context,
        "consent": _consent(source.consent, row) or None,
    }


def _placed(call: Body, identifier: Mapping[str, str]) -> bool:
    """Whether the envelope has a place for the identifier that is free."""
    place = TOP_LEVEL.get(identifier["type"], [""])[0]
    if not place or place in call:
        return False
    call[place] = identifier["value"]
    return True


def _word(word: Word, row: Cells) -> str:
    if word.constant is not None:
        return word.constant
    said = v.text(v.cell(row, word.column or ""))
    return word.values.get(said, said)


def _profile(source: ProfileSource, row: Cells) -> Body:
    traits = _chosen(source.attributes, row, source.meaningful)
    if source.attributes == "rest":
        for kind in CONTACTS:
            if identified := source.identifiers.get(kind):
                traits.setdefault(kind, v.cell(row, identified.columns[0]))
    return {
        "observed_at": _when(row, source.observed_at),
        "identifiers": _identifiers(source.identifiers, row),
        "traits": traits,
        "consent": _consent(source.consent, row),
    }


def _record(source: RecordSource, row: Cells) -> Body:
    status = v.text(v.cell(row, source.status)) if source.status else ""
    return {
        "record_type": source.record_type,
        "order_id": _order_id(source, row),
        "occurred_at": _when(row, source.occurred_at),
        "source_status": status or None,
        "effect": _effect(source, status),
        "identifiers": _identifiers(source.identifiers, row),
        "properties": _properties(source, row),
    }


def _product(source: CatalogSource, row: Cells) -> Body:
    product_id = v.text(v.cell(row, source.product_id))
    if not product_id:
        raise v.CellError("missing_key", source.product_id, "the product has no id")
    return {
        "product_id": product_id,
        "observed_at": _when(row, source.observed_at),
        "properties": _properties(source, row),
    }


def _properties(source: RecordSource | CatalogSource, row: Cells) -> Body:
    """What else the row says, with its amounts and their currency."""
    properties = _chosen(source.properties, row, source.meaningful)
    properties |= _amounts(source.amounts, row)
    if (
        source.amounts
        and source.default_currency
        and not v.text(properties.get("currency"))
    ):
        properties["currency"] = source.default_currency
    return properties


def _metric(source: MarketingSource, row: Cells) -> Body:
    metric_date = v.day(v.cell(row, source.metric_date), source.metric_date)
    if metric_date is None:
        raise v.CellError(
            "missing_value", source.metric_date, "the day of the metrics is missing"
        )
    body: Body = {"metric_date": metric_date, "platform": source.platform}
    for field, column in source.fields.items():
        value = v.cell(row, column)
        if field in ("impressions", "clicks"):
            body[field] = v.integer(value, column)
        elif field == "conversions":
            body[field] = v.to_places(v.number(value, column), 4)
        else:
            body[field] = v.text(value) or None
    for name, amount in source.amounts.items():
        spent = v.money(v.cell(row, amount.column), amount.column, amount.unit)
        body[name] = v.to_places(spent, 4)
    if not body.get("currency"):
        body["currency"] = source.default_currency
    return body


def _identifiers(declared: Identifiers, row: Cells) -> list[dict[str, str]]:
    return [
        {"type": kind, "value": given}
        for kind, identified in declared.items()
        for given in _given(identified, row)
    ]


def _given(identified: Identified, row: Cells) -> Iterator[str]:
    """What a row gives for one type: a cell may hold several, as a list or with something between them."""
    if identified.together:
        yield from _together(identified, row)
        return
    for column in identified.columns:
        value = v.cell(row, column)
        if identified.separator and isinstance(value, str):
            value = value.split(identified.separator)
        for one in value if isinstance(value, list) else [value]:
            if given := v.text(one):
                yield given


def _together(identified: Identified, row: Cells) -> Iterator[str]:
    """Names are typed by people: neither their case, nor their spaces, nor the form of their umlauts tell anybody apart."""
    cells = (v.cell(row, column) for column in identified.columns)
    dated = (v.as_given(c) if isinstance(c, date) else v.text(c) for c in cells)
    parts = [" ".join(normalize("NFC", str(part)).lower().split()) for part in dated]
    if all(parts):
        yield "|".join(parts)


def _consent(declared: Mapping[str, Consent], row: Cells) -> Body:
    """Purpose (and channel) → granted or denied; a blank cell says nothing."""
    said: Body = {}
    for path, consent in declared.items():
        answer = _answer(consent, v.cell(row, consent.column))
        if answer is not None:
            _put(said, path, "granted" if answer else "denied")
    return said


def _answer(consent: Consent, value: Any) -> bool | None:
    """Yes, no or nothing, in the source's own words if it has some."""
    if not consent.has_words:
        return v.yes_or_no(value, consent.column)
    given = v.text(value)
    if not given or given in consent.silent:
        return None
    if given in consent.granted or given in consent.denied:
        return given in consent.granted
    raise v.CellError(
        "mistyped_value",
        consent.column,
        f"column {consent.column!r} holds {given[:80]!r}, which no list of its consent names; "
        "add it to `granted`, `denied` or `silent`",
    )


def _effect(source: RecordSource, status: str) -> str | None:
    if not source.effects:
        return None
    if status not in source.effects:
        raise v.CellError(
            "unknown_status",
            source.status or "status",
            f"status {status!r} has no effect; add it to `effects` of source {source.source_id}",
        )
    return source.effects[status]


def _order_id(source: RecordSource, row: Cells) -> str | None:
    if source.order_id is None:
        return None
    order_id = v.text(v.cell(row, source.order_id)) or None
    if order_id is None and source.record_type == "order":
        raise v.CellError("missing_value", source.order_id, "the order has no number")
    return order_id


def _amounts(declared: Mapping[str, Amount], row: Cells) -> Body:
    """Amounts in major units as exact text: JSON numbers would lose digits."""
    found = {
        name: v.money(v.cell(row, amount.column), amount.column, amount.unit)
        for name, amount in declared.items()
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _chosen(
    declared: Mapping[str, str] | str, row: Cells, taken: frozenset[str]
) -> Body:
    """The columns a declaration names, under dotted paths, or all that nothing else names."""
    if isinstance(declared, str):
        return {column: value for column, value in row.items() if column not in taken}
    chosen: Body = {}
    for path, column in declared.items():
        _put(chosen, path, v.cell(row, column))
    return chosen


def _put(body: Body, path: str, value: Any) -> None:
    """Set a value under a dotted path."""
    *parents, leaf = path.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[leaf] = value


def _when(row: Cells, column: str | None) -> Any:
    return v.moment(v.cell(row, column), column) if column else None
