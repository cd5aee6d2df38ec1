"""`python -m orchestration.event_log tail|find|crowds`. Only the command line lives here."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator

from ingestion.settings import settings
from orchestration.event_log.reading import Entry, crowds, last
from orchestration.identity.picture import visible
from orchestration.warehouse.schema import read_copy

LETTERS = 200


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        with read_copy(settings().published) as connection:
            if asked.verb == "crowds":
                for kind, value, sets in crowds(connection, asked.source):
                    print(f"{sets:6,} sets of identifiers  {kind}:{visible(value, 80)}")
                return 0
            entries = last(
                connection, settings(), asked.lines, asked.source, asked.text
            )
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    if asked.json:
        print(
            json.dumps([dataclasses.asdict(e) for e in entries], indent=2, default=str)
        )
    else:
        for entry in entries:
            print("\n".join(lines(entry)))
    return 0 if entries else 1


def lines(entry: Entry) -> Iterator[str]:
    """An entry for people: what came, what it became, its canonical form."""
    reason = f" · {entry.reason}" if entry.reason else ""
    yield (
        f"{entry.received_at:%Y-%m-%d %H:%M:%S} {entry.source_id} {entry.shape} {visible(entry.name, 60)}"
        f" · {entry.result}{reason}"
    )
    yield f"    event {visible(entry.event_id, 80)} record {entry.record_id}"
    for name, value in entry.canonical.items():
        yield f"    {name}: {visible(value if isinstance(value, str) else json.dumps(value), LETTERS)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.event_log",
        description="What arrived last: wire shape, result and reason, canonical form.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    tail = verbs.add_parser("tail", help="the last calls of a source, or of all")
    find = verbs.add_parser(
        "find", help="calls that hold a text: an id, an identifier, a reason"
    )
    find.add_argument("text")
    for verb in (tail, find):
        verb.add_argument("--source")
        verb.add_argument("--lines", type=int, default=20, help="how many calls")
        verb.add_argument("--json", action="store_true", help="for programs")
    tail.set_defaults(text=None)
    crowded = verbs.add_parser(
        "crowds", help="values that stood for the most people on a source's last day"
    )
    crowded.add_argument("source")
    return parser


if __name__ == "__main__":
    sys.exit(main())
