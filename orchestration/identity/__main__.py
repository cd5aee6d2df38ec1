"""`python -m orchestration.identity`: why somebody is who they are, from the read copy.

Only the command line lives here.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ingestion.settings import settings
from orchestration.identity.explain import explain, explain_profile
from orchestration.identity.graph import NotFoundError, component, find
from orchestration.identity.picture import component_svg
from orchestration.warehouse.schema import read_copy


class Told(Protocol):
    """An answer for people and for programs."""

    def lines(self) -> Iterator[str]: ...
    def as_dict(self) -> object: ...


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except (NotFoundError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1


def _explain(asked: argparse.Namespace) -> int:
    with read_copy(settings().published) as connection:
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
    why.add_argument("a", help="an identifier, such as email:ada@example.com")
    why.add_argument("b", nargs="?", help="another; left out: all of a's profile")
    why.add_argument("--json", action="store_true", help="for programs")
    why.set_defaults(run=_explain)
    draw = commands.add_parser("picture", help="a profile's graph as an SVG file")
    draw.add_argument("identifier")
    draw.add_argument("--out", required=True, help="the file to write")
    draw.set_defaults(run=_picture)
    return parser


if __name__ == "__main__":
    sys.exit(main())
