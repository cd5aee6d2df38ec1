"""`python -m orchestration.identity`: why somebody is who they are, from the read copy.

Only the command line lives here.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb

from ingestion.settings import settings
from orchestration.identity.as_of import NoSuchPositionError, graph_as_of
from orchestration.identity.explain import explain, explain_profile
from orchestration.identity.finding import NotFoundError, find
from orchestration.identity.graph import component
from orchestration.identity.picture import component_svg
from orchestration.identity.preview import preview
from orchestration.identity.scratch import BuildFailedError
from orchestration.logical_time import NoLogicalTimeError, parse_as_of
from orchestration.warehouse.schema import read_copy

REFUSALS = (
    NotFoundError,
    NoSuchPositionError,
    NoLogicalTimeError,
    BuildFailedError,
    FileNotFoundError,
)


class Told(Protocol):
    """An answer for people and for programs."""

    def lines(self) -> Iterator[str]: ...
    def as_dict(self) -> object: ...


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return 1


def _explain(asked: argparse.Namespace) -> int:
    with read_copy(settings().published) as connection:
        return _answer(connection, asked)


def _answer(connection: duckdb.DuckDBPyConnection, asked: argparse.Namespace) -> int:
    a = find(connection, asked.a)
    if asked.b is None:
        return _say(explain_profile(connection, a), asked)
    return _say(explain(connection, a, find(connection, asked.b)), asked)


def _picture(asked: argparse.Namespace) -> int:
    with read_copy(settings().published) as connection:
        found = find(connection, asked.identifier)
        if found.profile_id is None:
            raise NotFoundError(f"{found} is a hub and belongs to nobody.")
        nodes, edges = component(connection, found.profile_id)
    svg = component_svg(nodes, edges, title=f"{found.profile_id}: {found}")
    Path(asked.out).write_text(svg, encoding="utf-8")
    print(f"{asked.out}: {len(nodes)} identifiers, {len(edges)} edges")
    return 0


def _preview(asked: argparse.Namespace) -> int:
    found = preview(settings(), asked.as_of, asked.vars, not asked.identity_only)
    return _say(found, asked)


def _as_of(asked: argparse.Namespace) -> int:
    with graph_as_of(settings(), asked.position) as (found, file):
        print(f"As of {found}.", file=sys.stderr)
        with read_copy(file) as connection:
            return _answer(connection, asked)


def _say(answer: Told, asked: argparse.Namespace) -> int:
    if asked.json:
        print(json.dumps(answer.as_dict(), indent=2, default=str))
    else:
        print("\n".join(answer.lines()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.identity",
        description="Why somebody is who they are. Identifiers are type:value or a value alone.",
    )
    commands = parser.add_subparsers(required=True)
    why = commands.add_parser(
        "explain", help="why two identifiers are one person, or why not"
    )
    _pair(why)
    why.set_defaults(run=_explain)
    draw = commands.add_parser("picture", help="a profile's graph as an SVG file")
    draw.add_argument("identifier")
    draw.add_argument("--out", required=True, help="the file to write")
    draw.set_defaults(run=_picture)
    then = commands.add_parser("as-of", help="explain, at an earlier landing position")
    then.add_argument("position", help="a load id (raw.loads), or a time in UTC")
    _pair(then)
    then.set_defaults(run=_as_of)
    edit = commands.add_parser(
        "preview",
        help="what the edited seeds and vars of the working tree would change",
    )
    edit.add_argument(
        "--as-of", type=_moment, help="logical time; left out: the last refresh's"
    )
    edit.add_argument(
        "--vars", default="", help="dbt vars to try, such as '{hub_limit: 3}'"
    )
    edit.add_argument(
        "--identity-only", action="store_true", help="leave the audiences out"
    )
    edit.add_argument("--json", action="store_true", help="for programs, with all")
    edit.set_defaults(run=_preview)
    return parser


def _pair(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", help="an identifier, such as email:ada@example.com")
    parser.add_argument("b", nargs="?", help="another; left out: all of a's profile")
    parser.add_argument("--json", action="store_true", help="for programs")


def _moment(text: str) -> datetime:
    try:
        return parse_as_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
