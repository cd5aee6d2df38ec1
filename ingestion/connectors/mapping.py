"""A row as extracted → the fields of its contract, as the source's declaration says. Pure; raises CellError.

One function per kind of source. Nothing here knows files, earlier pulls or the landing zone.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from ingestion.connectors import values as v
from ingestion.connectors.declarations import (
    Amount,
    CatalogSource,
    ExtractSource,
    MarketingSource,
    ProfileSource,
    RecordSource,
)

Body = dict[str, Any]
Cells = Mapping[str, Any]

CONTACTS = ("email", "phone")
_TYPED: dict[str, Callable[[Any, str], Any]] = {
    "integer": v.integer,
    "decimal": v.number,
    "boolean": v.yes_or_no,
    "timestamp": v.moment,
}


def columns(source: ExtractSource) -> set[str]:
    """Every column the declaration names: the extract has to have them all."""
    named: set[str] = set(source.row_key) | set(source.types)
    match source:
        case ProfileSource():
            named |= {*source.identifiers.values(), *source.consent.values()}
            named |= _mapped_columns(source.attributes) | _columns(source.observed_at)
        case RecordSource():
            named |= {*source.identifiers.values()} | _mapped_columns(source.properties)
            named |= _columns(source.order_id, source.occurred_at, source.status)
        case CatalogSource():
            named |= _columns(source.product_id, source.observed_at)
            named |= _mapped_columns(source.properties)
        case MarketingSource():
            named |= {source.metric_date, *source.fields.values()}
    if isinstance(source, RecordSource | CatalogSource | MarketingSource):
        named |= {amount.column for amount in source.amounts.values()}
    return named


def row_key(source: ExtractSource, row: Cells) -> str:
    """The row's key within its source; several columns become a JSON list. Blank parts raise CellError."""
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
    typed = {**row, **_typed(source, row)}
    match source:
        case ProfileSource():
            return _profile(source, typed)
        case RecordSource():
            return _record(source, typed)
        case CatalogSource():
            return _product(source, typed)
        case MarketingSource():
            return _metric(source, typed)
    raise TypeError(f"no mapping for sources of kind {source.kind!r}")


def row_hash(body: Body) -> str:
    """Hash of the row as mapped: equal rows have equal hashes, whatever file or line they came from."""
    canonical = orjson.dumps(
        body, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
    )
    return hashlib.sha256(canonical).hexdigest()


def _typed(source: ExtractSource, row: Cells) -> Body:
    return {
        column: _TYPED[kind](v.cell(row, column), column)
        for column, kind in source.types.items()
    }


def _profile(source: ProfileSource, row: Cells) -> Body:
    observed = _columns(source.observed_at)
    spoken_for = {
        *source.row_key,
        *source.identifiers.values(),
        *source.consent.values(),
        *observed,
    }
    traits = _chosen(source.attributes, row, spoken_for)
    if source.attributes == "rest":
        for kind in CONTACTS:
            if column := source.identifiers.get(kind):
                traits.setdefault(kind, v.cell(row, column))
    return {
        "observed_at": _when(row, source.observed_at),
        "identifiers": _identifiers(source.identifiers, row),
        "traits": traits,
        "consent": _consent(source.consent, row),
    }


def _record(source: RecordSource, row: Cells) -> Body:
    status = v.text(v.cell(row, source.status)) if source.status else ""
    spoken_for = {
        *source.row_key,
        *source.identifiers.values(),
        *_columns(source.order_id, source.occurred_at, source.status),
        *(amount.column for amount in source.amounts.values()),
    }
    properties = _chosen(source.properties, row, spoken_for) | _amounts(
        source.amounts, row
    )
    if (
        source.amounts
        and source.default_currency
        and not v.text(properties.get("currency"))
    ):
        properties["currency"] = source.default_currency
    return {
        "record_type": source.record_type,
        "order_id": _order_id(source, row),
        "occurred_at": _when(row, source.occurred_at),
        "source_status": status or None,
        "effect": _effect(source, status),
        "identifiers": _identifiers(source.identifiers, row),
        "properties": properties,
    }


def _product(source: CatalogSource, row: Cells) -> Body:
    product_id = v.text(v.cell(row, source.product_id))
    if not product_id:
        raise v.CellError("missing_key", source.product_id, "the product has no id")
    amounts = (amount.column for amount in source.amounts.values())
    spoken_for = {source.product_id, *_columns(source.observed_at), *amounts}
    properties = _chosen(source.properties, row, spoken_for) | _amounts(
        source.amounts, row
    )
    if (
        source.amounts
        and source.default_currency
        and not v.text(properties.get("currency"))
    ):
        properties["currency"] = source.default_currency
    return {
        "product_id": product_id,
        "observed_at": _when(row, source.observed_at),
        "properties": properties,
    }


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


def _identifiers(declared: Mapping[str, str], row: Cells) -> list[dict[str, str]]:
    found = []
    for kind, column in declared.items():
        value = v.cell(row, column)
        for one in value if isinstance(value, list) else [value]:
            if given := v.text(one):
                found.append({"type": kind, "value": given})
    return found


def _consent(declared: Mapping[str, str], row: Cells) -> Body:
    """Purpose (and channel) → granted or denied; a blank cell says nothing."""
    said: Body = {}
    for path, column in declared.items():
        answer = v.yes_or_no(v.cell(row, column), column)
        if answer is not None:
            _put(said, path, "granted" if answer else "denied")
    return said


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
    declared: Mapping[str, str] | str, row: Cells, spoken_for: Iterable[str]
) -> Body:
    """The columns a declaration names, under dotted paths, or all that nothing else names."""
    if isinstance(declared, str):
        taken = set(spoken_for)
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


def _columns(*names: str | None) -> set[str]:
    return {name for name in names if name is not None}


def _mapped_columns(declared: Mapping[str, str] | str) -> set[str]:
    return set() if isinstance(declared, str) else set(declared.values())
