"""`python -m simulator`: make a shop, send its events to a collector, write its extracts."""

import argparse
import sys
import time
from pathlib import Path

from simulator.sending import NotAccepted, send
from simulator.world import simulate


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    started = time.monotonic()
    print(f"simulating {args.people} people over {args.days} days, seed {args.seed}")
    simulation = simulate(
        people=args.people, days=args.days, seed=args.seed, progress=True
    )
    simulation.write(args.extracts)
    summary = simulation.summary
    print(
        f"{len(simulation.files)} extracts and simulation.json are in {args.extracts}"
    )
    if args.collector:
        sources = {call.source_id for call in simulation.calls}
        try:
            keys = _keys(args.key, sources)
            sent = send(simulation.calls, args.collector, keys, progress=True)
        except (NotAccepted, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        for refusal in sent.refusals[:5]:
            print(f"refused: {refusal}", file=sys.stderr)
        counted = ", ".join(
            f"{count:,} {answer}" for answer, count in sorted(sent.answers.items())
        )
        print(f"sent to {args.collector}: {counted}")
    print(
        f"{summary['distinct_events']:,} distinct events and {summary['orders']} orders until "
        f"{summary['as_of']}, in {time.monotonic() - started:.1f} s"
    )
    return 0


def _keys(given: list[str], sources: set[str]) -> dict[str, str]:
    """Source → key. `SOURCE=KEY` serves one source, a bare `KEY` the rest."""
    named = dict(each.split("=", 1) for each in given if "=" in each)
    bare = [each for each in given if "=" not in each]
    if unknown := named.keys() - sources:
        raise ValueError(
            f"--key names no source of the simulation: {', '.join(sorted(unknown))}"
        )
    missing = sources - named.keys()
    if missing and not bare:
        raise ValueError(
            f"no --key for {', '.join(sorted(missing))}; give SOURCE=KEY for each"
        )
    return {source: named.get(source) or bare[0] for source in sources}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--collector", help="URL of the collector; nothing is sent without it"
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="SOURCE=KEY",
        help="key of a source (web_shop, shop_backend, mailing_tool); a bare KEY serves the rest",
    )
    parser.add_argument(
        "--extracts", type=Path, required=True, help="folder for the extracts"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
