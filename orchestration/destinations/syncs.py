"""Reads the seed that declares the syncs, for whoever has to make one publish step per sync.

The plan itself reads the seed in SQL; here are only its shape, and a sentence for every row that is none. Whether the
names in it exist is judged where they are declared: audiences, purposes and attributes by the refresh.
"""

import csv
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestration.destinations.base import Mode, Sync

WORDS: dict[str, tuple[str, ...]] = {
    "mode": get_args(Mode),
    "state": ("active", "retired"),
    "may_be_empty": ("true", "false"),
}
NUMBERS = ("int_parsing", "int_from_float", "int_type")


class SyncsInvalid(ValueError):  # noqa: N818 - says what happened
    """The seed cannot be used; the message has a line for every mistake."""


def load_syncs(seed: Path) -> list[Sync]:
    """Every declared sync, in the seed's order. Raises SyncsInvalid."""
    syncs: list[Sync] = []
    mistakes: list[str] = []
    with seed.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        columns = next(reader, [])
        for cells in reader:
            place = f"{seed.name} line {reader.line_num}"
            if len(cells) != len(columns):
                mistakes.append(
                    f"{place}: it has {len(cells)} cells for {len(columns)} columns; quote what holds a comma, and "
                    "leave no cell out."
                )
                continue
            try:
                syncs.append(
                    Sync.model_validate(dict(zip(columns, cells, strict=True)))
                )
            except ValidationError as error:
                mistakes += [f"{place}: {_said(each)}" for each in error.errors()]
    names = [sync.sync_name for sync in syncs]
    mistakes += [
        f"{seed.name}: sync_name: {name} is declared {names.count(name)} times; a name is one sync's."
        for name in sorted({each for each in names if names.count(each) > 1})
    ]
    if mistakes:
        raise SyncsInvalid("\n".join(mistakes))
    return syncs


def check_destinations(syncs: Iterable[Sync], known: Collection[str]) -> None:
    """Raise SyncsInvalid for those that lead nowhere."""
    mistakes = [
        f"syncs.csv ({sync.sync_name}): destination: there is no destination {sync.destination!r}; "
        + _nearest(sync.destination, known, f"there are: {', '.join(known)}.")
        for sync in syncs
        if sync.destination not in known
    ]
    if mistakes:
        raise SyncsInvalid("\n".join(mistakes))


def check_recipients(
    syncs: Iterable[Sync], types: Path, given: Collection[str]
) -> None:
    """Raise SyncsInvalid for those that name their people by what nobody has: no type of the seed `types`, and none that
    a source gives.
    """
    with types.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    spelled = {row["identifier_type"]: row["same_as"] for row in rows if row["same_as"]}
    named = {row["identifier_type"] for row in rows} - spelled.keys() - {"*"}
    kinds = [name for name in named if "*" in name]
    known = sorted({"profile_id", *named, *given} - {*kinds})
    mistakes = []
    for sync in syncs:
        by = sync.recipient_type
        if by not in known and not any(fnmatch(by, kind) for kind in kinds):
            near = spelled.get(by)
            hint = f"did you mean {near}?" if near else _nearest(by, known, "")
            mistakes.append(
                f"syncs.csv ({sync.sync_name}): recipient_type: nobody is known by {by!r}; {hint} "
                f"There are: {', '.join(known)}; another one is a row of {types.name}."
            )
    if mistakes:
        raise SyncsInvalid("\n".join(mistakes))


def _said(error: ErrorDetails) -> str:
    """The field, what is wrong with it, and what would be right."""
    field, given = ".".join(map(str, error["loc"])), error["input"]
    if error["type"] == "extra_forbidden":
        return f"{field}: no such column; {_nearest(field, Sync.model_fields, 'remove it')}"
    if error["type"] == "missing":
        return f"{field}: the column is missing."
    if field in WORDS:
        words = WORDS[field]
        hint = _nearest(str(given), words, f"it is one of {', '.join(words)}.")
        return f"{field}: {given!r} is not known; {hint}"
    if error["type"] in NUMBERS:
        return f"{field}: {given!r} is no whole number."
    return f"{field}: {error['msg']}."


def _nearest(given: str, known: Collection[str], otherwise: str) -> str:
    near = get_close_matches(given, list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise
