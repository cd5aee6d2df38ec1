"""`python -m ingestion.connectors [source …]`: pull the declared extracts, say what came."""

import sys

from ingestion.connectors import (
    ExtractSource,
    PullResult,
    SourceError,
    load_sources,
    pull,
)
from ingestion.landing import LandingWriter
from ingestion.settings import settings


def main(wanted: list[str]) -> int:
    here = settings()
    try:
        sources = load_sources(here.sources_dir)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    extracts = [source for source in sources if isinstance(source, ExtractSource)]
    if unknown := set(wanted) - {source.source_id for source in extracts}:
        print(f"no such extract: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    with LandingWriter(here.landing) as writer:
        for source in extracts:
            if not wanted or source.source_id in wanted:
                print(
                    _sentence(pull(source, writer, here.home, extracts=here.extracts))
                )
    return 0


def _sentence(result: PullResult) -> str:
    note = (
        f"; {result.held_deletes} missing rows kept: {result.note}"
        if result.note
        else ""
    )
    return (
        f"{result.source_id}: {result.read} rows read, {result.landed} new or changed, "
        f"{result.deleted} deleted, {result.rejected} refused{note}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
