"""`python -m orchestration.activation`: look at plans, approve and apply them, assert again, settle what nobody knows.

Only the command line lives here.
"""

import argparse
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from ingestion.landing import LandingUnavailable, LandingWriter
from ingestion.settings import settings
from orchestration.activation.documents import describe, guards, lines, write
from orchestration.activation.plans import read_plan
from orchestration.activation.publishing import PlanChanged, declared_syncs, send
from orchestration.activation.settling import NothingToSettle, resolve, resync
from orchestration.destinations.base import Destination, Sync
from orchestration.destinations.delivery import SyncBusy
from orchestration.destinations.possible import SyncImpossible
from orchestration.destinations.receipts import said_about
from orchestration.destinations.register import (
    DestinationsInvalid,
    load_destinations,
)

REFUSALS = (
    DestinationsInvalid,
    FileNotFoundError,
    LandingUnavailable,
    NothingToSettle,
    PlanChanged,
    SyncBusy,
    SyncImpossible,
    ValueError,
)


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except REFUSALS as error:
        print(error, file=sys.stderr)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        said = str(error).partition("\n")[0]
        print(
            f"The read copy was made from other models than these ({said}): run the job `refresh` first.",
            file=sys.stderr,
        )
    return 1


def _plan(asked: argparse.Namespace) -> int:
    """All that can be made: one that cannot says why and keeps no other from being seen."""
    failed = 0
    for sync in _wanted(asked.syncs):
        try:
            with _destination(sync) as destination:
                document = describe(sync, destination, settings())
        except (DestinationsInvalid, SyncImpossible) as error:
            print(error, file=sys.stderr)
            failed = 1
            continue
        path = write(document, settings())
        print("\n".join(lines(document)))
        print(f"  {path}")
    return failed


def _approve(asked: argparse.Namespace) -> int:
    (sync,) = _wanted([asked.sync])
    plan = read_plan(settings().published, sync.sync_name)
    if plan.hash != asked.plan:
        raise PlanChanged(
            f"The plan of {sync.sync_name} is {plan.hash}, not {asked.plan}: look at it again."
        )
    if not guards(plan):
        print(f"{sync.sync_name}: no guard holds this plan back.")
        return 0
    detail = f"{asked.by}: {asked.why}"
    with LandingWriter(settings().landing) as writer:
        writer.land([said_about(sync.sync_name, "approval", detail, plan.hash)])
    print(f"{sync.sync_name}: plan {plan.hash[:12]} is approved by {asked.by}.")
    return 0


def _apply(asked: argparse.Namespace) -> int:
    (sync,) = _wanted([asked.sync])
    summary = send(sync, settings(), asked.plan, asked.now)
    print(summary.sentence())
    if summary.held:
        print(
            f"Approve it first: python -m orchestration.activation approve {sync.sync_name} --plan {asked.plan} --why …"
        )
    return 0 if summary.is_complete else 2


def _resync(asked: argparse.Namespace) -> int:
    for sync in _wanted(asked.syncs):
        print(resync(sync, settings(), f"{asked.by}: {asked.why}"))
    return 0


def _resolve(asked: argparse.Namespace) -> int:
    (sync,) = _wanted([asked.sync])
    detail = f"{asked.by}: {asked.why}"
    print(resolve(sync, asked.recipient, asked.outcome, settings(), detail))
    return 0


def _wanted(names: list[str]) -> list[Sync]:
    declared = {sync.sync_name: sync for sync in declared_syncs(settings())}
    unknown = [name for name in names if name not in declared]
    if unknown:
        raise ValueError(
            f"No sync is named {unknown[0]}; declared are: {', '.join(declared)}."
        )
    return [declared[name] for name in names or declared]


@contextmanager
def _destination(sync: Sync) -> Iterator[Destination]:
    file, outbox = settings().destinations_file, settings().outbox
    made = load_destinations(file, [sync.destination], outbox)[sync.destination]
    try:
        yield made
    finally:
        made.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.activation", description=__doc__
    )
    commands = parser.add_subparsers(required=True)

    plan = commands.add_parser(
        "plan", help="what would be sent, and what holds it back"
    )
    plan.add_argument("syncs", nargs="*", help="all if left out")
    plan.set_defaults(run=_plan)

    approve = commands.add_parser("approve", help="let a plan pass its guards")
    approve.add_argument("sync")
    approve.add_argument("--plan", required=True, help="hash of the plan looked at")
    _who_and_why(approve)
    approve.set_defaults(run=_approve)

    apply = commands.add_parser("apply", help="deliver this very plan")
    apply.add_argument("sync")
    apply.add_argument("--plan", required=True, help="hash of the plan looked at")
    apply.add_argument(
        "--now", action="store_true", help="although the destination is left alone"
    )
    apply.set_defaults(run=_apply)

    again = commands.add_parser("resync", help="assert everything again")
    again.add_argument("syncs", nargs="+")
    _who_and_why(again)
    again.set_defaults(run=_resync)

    settle = commands.add_parser("resolve", help="say what became of an attempt")
    settle.add_argument("sync")
    settle.add_argument("recipient", help="key or handle of the recipient")
    settle.add_argument(
        "--outcome", required=True, choices=["delivered", "rejected", "retry"]
    )
    _who_and_why(settle)
    settle.set_defaults(run=_resolve)
    return parser


def _who_and_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", default=getpass.getuser(), help="who says so")
    parser.add_argument("--why", required=True)


if __name__ == "__main__":
    sys.exit(main())
