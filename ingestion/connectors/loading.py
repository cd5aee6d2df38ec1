"""Reading sources/*.yml: every mistake of every file in one message, each with the field and the remedy.

The rules themselves are in declarations.py.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ingestion.connectors.declarations import KINDS, ExtractSource, Source, kind_of
from ingestion.connectors.register import CONNECTORS
from ingestion.contracts.strict_yaml import read_yaml

REMEDIES = {
    "source_id": "give it a name of small letters, digits and underscores, such as `crm_customers`",
    "kind": f"choose one of {', '.join(KINDS)}",
    "description": "say in a sentence what the source is",
    "owner": "name who answers for its data quality",
    "priority": "give a whole number; 1 is believed first",
    "default_region": "give two capital letters, such as DE",
    "default_currency": "give three capital letters, such as EUR",
    "extract": "say where the rows are, such as `extract: {files: crm/*.csv, format: csv}`",
    "row_key": "list the columns that identify a row, such as `row_key: [id]`",
    "deletes": "choose `none`, or `missing` when a row that is gone means it was deleted",
    "delete_limit": "give a share between 0 and 1",
    "identifiers": "map types to columns, such as `identifiers: {email: email_address}`, "
    "or to places in an event, such as `identifiers: {loyalty_id: properties.card}`",
    "identity": "name the identifier type of an untyped `identity`, such as `user_id`",
    "attributes": "write `rest`, or map attribute paths to columns",
    "properties": "write `rest`, or map names to columns",
    "effects": "map each status to incomplete, checkout, completed, partially_refunded, refunded or cancelled",
    "amounts": "map names to columns and units, such as `amounts: {total: {column: total, unit: cents}}`",
    "types": "map columns to integer, decimal, boolean or timestamp",
    "delete_marker": "name the column that says whether, or when, a row was deleted",
    "consent": "map purposes to columns, such as `consent: {marketing.email: newsletter}`",
    "freshness": "say how old the news may be: minutes, hours or days, such as `freshness: 26h`",
    "connector": "leave it out for files, or choose another of the register",
    "event": "name the column with the event's name, or give one for all rows, such as `event: {constant: Signed Up}`",
    "type": "name a column that holds track, page, screen, identify, group or alias, or give one: `type: {constant: page}`",
    "occurred_at": "name the column that says when it happened",
    "context": "map places such as `page.url` or `userAgent` to columns",
    "record_type": "choose order, payment or subscription",
    "metric_date": "name the column that holds the day",
    "platform": "name the ad platform, such as google_ads",
    "webhook": "see sources/examples for webhooks that are complete",
}

KEPT_BY_NOBODY = {
    "purposes": "what is known of a person is one profile, whoever said it, so a source's data cannot be kept from "
    "some audiences only; map just the columns that every audience may use, tag columns of models with purposes, or "
    "give the source a tenant of its own",
}
"""Fields that promise what nothing here would keep, and what to do instead."""


class SourceError(ValueError):
    """The declarations contradict the rules; the message lists every mistake and its remedy."""


def load_sources(folder: Path) -> list[Source]:
    """The sources declared in `folder`, in the order of their ids. Raises SourceError."""
    sources: dict[str, Source] = {}
    mistakes: list[str] = []
    for path in sorted(folder.glob("*.yml")):
        try:
            source = load_source(path)
        except SourceError as error:
            mistakes.append(str(error))
            continue
        sources[source.source_id] = source
    if mistakes:
        raise SourceError("\n".join(mistakes))
    return [sources[source_id] for source_id in sorted(sources)]


def load_source(path: Path) -> Source:
    """The source declared in one file. Raises SourceError."""
    place = f"{path.parent.name}/{path.name}"
    try:
        declared = read_yaml(path)
    except ValueError as error:
        raise SourceError(str(error)) from error
    if not isinstance(declared, dict):
        raise SourceError(f"{place} has to hold one source: fields and their values")
    source = _validated(declared, place)
    if source.source_id != path.stem:
        raise SourceError(
            f"{place}: field `source_id` is {source.source_id!r}; a file is named after its "
            f"source, so rename it to {source.source_id}.yml"
        )
    return source


def _validated(declared: dict[str, Any], place: str) -> Source:
    given = str(declared.get("kind"))
    kind = kind_of(declared)
    if kind is None:
        near = get_close_matches(given, KINDS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else REMEDIES["kind"]
        raise SourceError(f"{place}: field `kind` is missing or unknown; {hint}")
    extract = declared.get("extract")
    if issubclass(kind, ExtractSource) and isinstance(extract, dict):
        declared = {**declared, "extract": _connector(extract, place)}
    try:
        return kind.model_validate(declared)
    except ValidationError as error:
        raise SourceError(_sentences(error, kind, place)) from error


def _connector(extract: Mapping[str, Any], place: str) -> BaseModel:
    name = str(extract.get("connector", "files"))
    connector = CONNECTORS.get(name)
    if connector is None:
        near = get_close_matches(name, CONNECTORS, n=1)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise SourceError(
            f"{place}: field `extract.connector` is {name!r}; {hint}choose one of {', '.join(CONNECTORS)}"
        )
    try:
        return connector.model_validate(extract)
    except ValidationError as error:
        raise SourceError(_sentences(error, connector, place, "extract.")) from error


def _sentences(
    error: ValidationError, model: type[BaseModel], place: str, prefix: str = ""
) -> str:
    return "\n".join(
        f"{place}: {_sentence(detail, model, prefix)}"
        for detail in error.errors(include_url=False, include_context=False)
    )


def _sentence(detail: ErrorDetails, model: type[BaseModel], prefix: str) -> str:
    path = [
        str(part) for part in detail["loc"] if part not in ("[key]", "literal['rest']")
    ]
    said = detail["msg"].removeprefix("Value error, ")
    if not path:
        return said
    field = f"field `{prefix}{'.'.join(path)}`"
    if detail["type"] == "extra_forbidden":
        if not prefix and len(path) == 1 and path[0] in KEPT_BY_NOBODY:
            return f"{field} is refused: {KEPT_BY_NOBODY[path[0]]}"
        known = get_close_matches(path[-1], _fields_at(model, path[:-1]), n=1)
        hint = f"did you mean `{known[0]}`?" if known else "remove it"
        return f"{field} is unknown; {hint}"
    remedies = {**REMEDIES, **getattr(model, "REMEDIES", {})}
    remedy = remedies.get(path[0], "correct it")
    if detail["type"] == "missing":
        return f"{field} is missing; {remedy}"
    return f"{field} is {detail['input']!r}, which cannot be: {said}; {remedy}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The fields that may stand at a path, whatever models are on the way; empty where none are declared."""
    fields = model.model_fields
    for part in path:
        inner = _models_in(fields[part].annotation) if part in fields else []
        if inner:
            fields = {n: f for each in inner for n, f in each.model_fields.items()}
    return list(fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models an annotation mentions, inside lists, objects and alternatives too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [each for inner in get_args(annotation) for each in _models_in(inner)]
