"""`python -m orchestration.quality`: what is not as it was, and with `--pages` the three pages."""

import argparse
import sys

from ingestion.settings import settings
from orchestration.assets.quality import write_pages
from orchestration.quality.findings import NEWS, read_findings
from orchestration.warehouse.schema import read_copy


def main(arguments: list[str] | None = None) -> int:
    """2 when something is wrong, so that a script can ask."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.quality", description=__doc__
    )
    parser.add_argument("--pages", action="store_true", help="write the pages, too")
    asked = parser.parse_args(arguments)
    try:
        with read_copy(settings().published) as connection:
            findings = read_findings(connection)
        written = write_pages(settings())[0] if asked.pages else []
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    for each in findings:
        print(each.sentence())
    for path in written:
        print(path)
    if not findings:
        print("Everything is as it was.")
    return 2 if any(each.finding not in NEWS for each in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
