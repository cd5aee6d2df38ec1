"""`python -m orchestration.audience compile`: rule files to models. Only the command line lives here."""

import argparse
import sys

from orchestration.audience.loading import RuleError
from orchestration.audience.register import write


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestration.audience")
    commands = parser.add_subparsers(required=True)
    compiling = commands.add_parser(
        "compile", help="write the models of audiences/*.yml and the register"
    )
    compiling.set_defaults(run=_compile)
    return parser


if __name__ == "__main__":
    sys.exit(main())
