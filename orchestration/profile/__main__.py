"""`python -m orchestration.profile show`: one person, from the read copy. Only the command line lives here."""

import argparse
import json
import sys
from pathlib import Path

from ingestion.settings import settings
from orchestration.identity.explain import explain_profile
from orchestration.identity.finding import NotFoundError
from orchestration.identity.graph import identifiers_of
from orchestration.profile.page import page
from orchestration.profile.reading import read_person
from orchestration.profile.telling import lines
from orchestration.warehouse.schema import read_copy

TIMELINE_LINES = 40


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return _show(asked)
    except (NotFoundError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1


def _show(asked: argparse.Namespace) -> int:
    with read_copy(settings().published) as connection:
        person = read_person(connection, asked.identifier)
        if asked.json:
            print(json.dumps(person.as_dict(), indent=2, default=str))
        elif asked.html:
            Path(asked.html).write_text(page(person), encoding="utf-8")
            print(asked.html)
        else:
            root = identifiers_of(connection, [person.profile_id])[0]
            identity = explain_profile(connection, root)
            print("\n".join(lines(person, identity, asked.lines)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.profile",
        description="Everything known about one person, and how it came to be known.",
    )
    commands = parser.add_subparsers(required=True)
    show = commands.add_parser("show", help="one person, by any identifier")
    show.add_argument(
        "identifier",
        help="type:value, a value alone, or any profile id the person ever had",
    )
    show.add_argument(
        "--lines",
        type=int,
        default=TIMELINE_LINES,
        help="length of the timeline, the latest last",
    )
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--html", metavar="FILE", help="write a page for the browser")
    return parser


if __name__ == "__main__":
    sys.exit(main())
