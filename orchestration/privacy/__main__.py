"""`python -m orchestration.privacy`: file requests, carry them out, let records age. Only the command line lives here."""

import argparse
import sys
from datetime import UTC, datetime

from ingestion.settings import Settings, settings
from orchestration.identity.finding import NotFoundError
from orchestration.identity.picture import visible
from orchestration.instance import RunUnderWayError
from orchestration.privacy.carrying import carry_out, retain
from orchestration.privacy.inventory import load_inventory, retention
from orchestration.privacy.requests import RequestType, land_request, open_requests
from orchestration.privacy.subject import asked_about, subject_of
from orchestration.privacy.tombstones import folder
from orchestration.warehouse.schema import WarehouseBusy, read_copy

FILED: dict[str, RequestType] = {
    "access": "access",
    "erase": "erasure",
    "suppress": "suppression",
}


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        return _do(settings(), asked)
    except (
        NotFoundError,
        FileNotFoundError,
        RunUnderWayError,
        WarehouseBusy,
        ValueError,
    ) as error:
        print(error, file=sys.stderr)
        return 1


def _do(configured: Settings, asked: argparse.Namespace) -> int:
    if asked.verb in FILED:
        _file(configured, FILED[asked.verb], asked)
        return 0 if asked.verb == "erase" else _carry_out(configured, False)
    if asked.verb == "retain":
        return _retain(configured)
    if asked.verb == "status":
        return _status(configured)
    return _carry_out(configured, asked.leave_open)


def _file(
    configured: Settings, request_type: RequestType, asked: argparse.Namespace
) -> None:
    with read_copy(configured.published) as connection:
        named = asked_about(connection, asked.identifier)
        subject = subject_of(connection, [named])
    request_id = land_request(
        configured,
        request_type,
        subject.named if request_type == "erasure" else subject.identifiers,
        asked.requester,
        asked.proof,
        asked.due,
    )
    print(
        f"Filed as {request_id}: {len(subject.identifiers)} identifiers are theirs alone."
    )
    for kind, value in subject.shared:
        print(f"Shared with others, so left to them: {visible(f'{kind}:{value}', 80)}")
    if request_type == "erasure":
        print(
            "From the next refresh on every destination is told to remove them. When they have: "
            "python -m orchestration.privacy continue"
        )


def _carry_out(configured: Settings, leave_open: bool) -> int:
    carried = carry_out(configured, leave_open)
    if carried.erased:
        if code := _refresh(configured):
            return code
        carried.certificates += carry_out(configured, leave_open).certificates
    home = folder(configured)
    for request_id in carried.access:
        print(f"{request_id}: {home / 'access' / request_id}.zip")
    for request_id in carried.suppressed:
        print(f"{request_id}: nothing of theirs is taken in any more.")
    for request_id in carried.waiting:
        print(f"{request_id}: waits until every destination has removed them.")
    for certificate in carried.certificates:
        path = home / "certificates" / f"{certificate['request']}.json"
        still_open = ", ".join(certificate["open"]) or "nothing"
        print(f"{certificate['request']}: erased; open: {still_open}; {path}")
    return 0


def _retain(configured: Settings) -> int:
    days = retention(load_inventory())
    now = datetime.now(UTC).replace(tzinfo=None)
    rewritten = retain(configured, days, now)
    lines = sum(entry.lines_before - entry.lines for entry in rewritten)
    print(f"{lines} records past their time went from {len(rewritten)} segments.")
    return _refresh(configured) if rewritten else 0


def _status(configured: Settings) -> int:
    now = datetime.now(UTC).replace(tzinfo=None)
    for request in open_requests(configured):
        overdue = ", overdue" if request.due_at < now else ""
        print(
            f"{request.request_id} {request.request_type}, due {request.due_at:%Y-%m-%d}{overdue}"
        )
    return 0


def _refresh(configured: Settings) -> int:
    from orchestration.run import run  # reads the dbt project, so only when needed

    return run(
        configured,
        "refresh",
        datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.privacy",
        description="What people ask about their data, and what the platform owes unasked.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (
        ("access", "write one archive with everything about a person"),
        ("erase", "file an erasure; `continue` carries it out"),
        ("suppress", "take in nothing of a person any more"),
    ):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("identifier", help="type:value or a value alone")
        one.add_argument("--requester", required=True, help="who filed it")
        one.add_argument(
            "--proof", required=True, help="how it is known that it was theirs to ask"
        )
        one.add_argument(
            "--due", type=_moment, help="deadline, UTC; left out: 30 days from now"
        )
    go_on = verbs.add_parser("continue", help="carry out what is open, and certify")
    go_on.add_argument(
        "--leave-open",
        action="store_true",
        help="don't wait for destinations; what their removal needs stays until they answered",
    )
    verbs.add_parser("retain", help="take out what is past its time (inventory.yml)")
    verbs.add_parser("status", help="open requests and their deadlines")
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
