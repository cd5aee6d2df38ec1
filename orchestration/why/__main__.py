"""`python -m orchestration.why trigger|journey|delivery <id, name or identifier>`. Only the command line lives here."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain

from ingestion.settings import settings
from orchestration.warehouse.schema import read_copy
from orchestration.why import delivery, journey, trigger
from orchestration.why.evidence import Evidence, Step, told

Answer = Callable[[Evidence, str], Iterator[Step]]


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        with read_copy(settings().published) as connection:
            steps = answer(Evidence(connection, settings()), asked.what, asked.of)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps([dataclasses.asdict(s) for s in steps], indent=2, default=str))
    else:
        print(f"{asked.what} {asked.of}")
        print("\n".join(told(iter(steps))))
    return 0 if steps else 1


def answer(evidence: Evidence, what: str, asked: str) -> list[Step]:
    """By id, by name, by person, whichever it is; a stop when it is none of them."""
    by_id, by_name, by_person = _ANSWERS[what]
    if steps := list(by_id(evidence, asked)):
        return steps
    if asked in _names(evidence, what):
        return list(by_name(evidence, asked))
    if profile_id := evidence.profile(asked):
        return list(by_person(evidence, profile_id))
    known = ", ".join(sorted(_names(evidence, what))) or "none"
    return [
        Step(
            "found",
            f"nothing here is called {asked}",
            is_stop=True,
            remedy=f"It never arrived, or was landed under another id (names known: {known}). "
            "See what did: python -m orchestration.event_log tail",
        )
    ]


def _names(evidence: Evidence, what: str) -> set[str]:
    rows = chain(*(evidence.rows(sql) for sql in _NAMES[what]))
    return {row["name"] for row in rows}


_ANSWERS: dict[str, tuple[Answer, Answer, Answer]] = {
    "trigger": (trigger.by_id, trigger.by_name, trigger.by_person),
    "journey": (journey.of_known, journey.by_name, journey.by_person),
    "delivery": (delivery.by_operation, delivery.by_sync, delivery.by_person),
}
_JOURNEYS = "select journey as name from raw.journeys"
_NAMES = {
    "trigger": (
        "select distinct trigger_name as name from journeys.fct_trigger_emissions",
        "select entry_name as name from raw.journeys where entry_kind = 'trigger'",
    ),
    "journey": (_JOURNEYS,),
    "delivery": ("select sync_name as name from seeds.syncs", _JOURNEYS),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.why",
        description="Follows one trigger, journey or delivery through every stage, to where it stopped.",
    )
    parser.add_argument("what", choices=sorted(_ANSWERS))
    parser.add_argument(
        "of",
        help="an id (event, record, emission, operation, attempt), a name (trigger, journey, sync), or a person's identifier",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
