"""`python -m ingestion.connectors [--accept] [source …]`: pull the declared extracts, say what came.

`--accept` says that somebody has looked at a source that lost many rows, and that it is right.
"""

import argparse
import sys
from collections.abc import Sequence

from ingestion.connectors import (
    ExtractError,
    ExtractSource,
    PullResult,
    SourceError,
    load_sources,
    pull,
)
from ingestion.landing import LandingWriter
from ingestion.settings import settings


def main(arguments: Sequence[str]) -> int:
    """2: nothing was tried; 1: a source could not be read, the others were."""
    asked = _parser().parse_args(arguments)
    try:
        extracts = _wanted(asked.sources)
    except (SourceError, LookupError) as error:
        print(error, file=sys.stderr)
        return 2
    if asked.accept and not asked.sources:
        print("name the source whose rows you accept", file=sys.stderr)
        return 2
    return _pulled(extracts, trusted=asked.accept)


def _pulled(extracts: list[ExtractSource], *, trusted: bool) -> int:
    here, failed = settings(), 0
    with LandingWriter(here.landing) as writer:
        for source in extracts:
            try:
                result = pull(
                    source,
                    writer,
                    here.home,
                    extracts=here.extracts,
                    trusted=trusted,
                )
            except ExtractError as error:
                print(f"{source.source_id}: {error}", file=sys.stderr)
                failed = 1
                continue
            print(_sentence(result))
    return failed


def _wanted(names: Sequence[str]) -> list[ExtractSource]:
    """The extracts of those names, or all. Raises SourceError, and LookupError for a name that is none."""
    declared = load_sources(settings().sources_dir)
    extracts = {
        source.source_id: source
        for source in declared
        if isinstance(source, ExtractSource)
    }
    if unknown := sorted(set(names) - extracts.keys()):
        known = ", ".join(extracts) or "none"
        raise LookupError(f"no such extract: {', '.join(unknown)}; there are {known}")
    return [extracts[name] for name in extracts if not names or name in names]


def _sentence(result: PullResult) -> str:
    sentence = (
        f"{result.source_id}: {result.read} rows read, {result.landed} new or changed, "
        f"{result.deleted} deleted, {result.rejected} refused"
    )
    if result.note:
        sentence += f"; {result.held_deletes} missing rows kept: {result.note}"
    elif result.shrunk:
        sentence += f"; it held {result.rows_before} rows before and holds {result.rows} now: is that right?"
    return sentence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingestion.connectors",
        description="Pull the declared extracts and land what is new, changed, deleted or refused.",
    )
    parser.add_argument("sources", nargs="*", metavar="source", help="all if left out")
    parser.add_argument(
        "--accept",
        action="store_true",
        help="believe the extract: rows that are gone are deleted, however many",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
