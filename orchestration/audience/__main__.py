"""`python -m orchestration.audience compile | check | preview | why`. Only the command line lives here."""

import argparse
import json
import sys

import duckdb

from ingestion.settings import settings
from orchestration.audience.checking import problems
from orchestration.audience.loading import RuleError
from orchestration.audience.preview import preview, read_audience
from orchestration.audience.register import write
from orchestration.audience.why import Why, why
from orchestration.logical_time import last_as_of
from orchestration.profile.reading import profile_of
from orchestration.warehouse.schema import read_copy


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except (RuleError, LookupError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1


def _compile(asked: argparse.Namespace) -> int:
    changed = write()
    for path in changed:
        print(f"{'wrote' if path.exists() else 'removed'} {path.name}")
    if not changed:
        print("Everything is up to date.")
        return 0
    return _check(asked)


def _check(asked: argparse.Namespace) -> int:
    found = problems()
    for sentence in found:
        print(sentence, file=sys.stderr)
    if not found:
        print("Every audience is as it has to be.")
    return 1 if found else 0


def _why(asked: argparse.Namespace) -> int:
    audience = asked.audience.removeprefix("audience_")
    as_of = last_as_of(settings())
    with read_copy(settings().published) as connection:
        person = profile_of(connection, asked.identifier)
        told = why(connection, audience, person, as_of)
        if asked.json:
            print(json.dumps(told.as_dict(), indent=2, default=str))
        else:
            print("\n".join(told.lines()))
            if _was_in(connection, told) != told.is_in:
                print(
                    "\nThe last refresh said otherwise: the model was edited since. Refresh."
                )
    return 0


def _preview(asked: argparse.Namespace) -> int:
    audience = read_audience(asked.audience)
    with read_copy(settings().published) as connection:
        told = preview(connection, audience, last_as_of(settings()))
    if asked.json:
        print(json.dumps(told.as_dict(), indent=2, default=str))
    else:
        print("\n".join(told.lines()))
    return 0


def _was_in(connection: duckdb.DuckDBPyConnection, told: Why) -> bool:
    try:
        found = connection.execute(
            f'select 1 from audiences."audience_{told.audience}" where profile_id = ?',
            [told.person],
        )
        return bool(found.fetchall())
    except duckdb.CatalogException:
        return not told.is_in


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestration.audience")
    commands = parser.add_subparsers(required=True)
    compiling = commands.add_parser(
        "compile", help="write the models of audiences/*.yml and the register"
    )
    compiling.set_defaults(run=_compile)
    checking = commands.add_parser(
        "check", help="whether every audience may be built, as a refresh asks"
    )
    checking.set_defaults(run=_check)
    previewing = commands.add_parser(
        "preview", help="size, reach, overlap, and who would enter and leave"
    )
    previewing.add_argument("audience", help="a rule file, or an audience's name")
    previewing.add_argument("--json", action="store_true", help="for programs")
    previewing.set_defaults(run=_preview)
    asking = commands.add_parser(
        "why", help="each clause, true or false, with the values that decided"
    )
    asking.add_argument("audience", help="its name, such as cart_abandoners")
    asking.add_argument(
        "identifier",
        help="type:value, a value alone, or any profile id the person ever had",
    )
    asking.add_argument("--json", action="store_true", help="for programs")
    asking.set_defaults(run=_why)
    return parser


if __name__ == "__main__":
    sys.exit(main())
