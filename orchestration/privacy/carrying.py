"""Requests, and what is past its time, carried out as far as can be now: called by the command line and by the job `privacy`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ingestion.settings import Settings
from orchestration.instance import alone
from orchestration.privacy.access import write_archive
from orchestration.privacy.erasing import (
    certify,
    erase,
    forget_warehouse,
    prepare,
    take_out,
)
from orchestration.privacy.requests import Request, land_done, open_requests
from orchestration.privacy.rewriting import Rewritten
from orchestration.privacy.tombstones import (
    Records,
    Tombstone,
    folder,
    hashes_of,
    key_of,
    put,
    put_retention,
    read_register,
    write,
)

# So long before the deadline an erasure no longer waits for destinations. Reason: the refresh and a look at the result.
MARGIN = timedelta(days=3)


@dataclass
class Carried:
    """What became of the open requests. `erased` want a refresh before they are certified."""

    access: list[str] = field(default_factory=list)
    suppressed: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    certificates: list[dict[str, Any]] = field(default_factory=list)


def carry_out(settings: Settings, despite_open: bool = False) -> Carried:
    """Carry out every open request, and certify what an earlier call erased and a refresh has built anew."""
    carried = Carried(certificates=certify(settings))
    now = datetime.now(UTC).replace(tzinfo=None)
    for request in open_requests(settings):
        if request.request_type == "access":
            answer_access(settings, request)
            carried.access.append(request.request_id)
        elif request.request_type == "suppression":
            suppress(settings, request)
            carried.suppressed.append(request.request_id)
        elif not prepare(
            settings, request, despite_open or now > request.due_at - MARGIN
        ):
            carried.waiting.append(request.request_id)
    carried.erased = [case.request_id for case in erase(settings)]
    return carried


def answer_access(settings: Settings, request: Request) -> dict[str, int]:
    """Write the archive and land that it was written; rows per file."""
    _, counted = write_archive(settings, request.request_id, list(request.identifiers))
    land_done(settings, request, {"rows": counted})
    return counted


def suppress(settings: Settings, request: Request) -> None:
    """From the request on, nothing of the person is taken in any more; what is there stays."""
    words = [value for _, value in request.identifiers]
    put(
        settings,
        Tombstone(
            request.request_id,
            "suppression",
            at=request.requested_at,
            facts_at=request.requested_at,
            hashes=hashes_of(key_of(settings), request.identifiers, words=words),
        ),
    )
    land_done(settings, request, {"identifiers": len(request.identifiers)})


def retain(
    settings: Settings, days: Mapping[Records, int], now: datetime
) -> list[Rewritten]:
    """Take out what was received more days ago than it is kept; what was rewritten.

    The register keeps the line, so that a backup brings nothing back from before it. The warehouse is forgotten when
    anything went, so a refresh must follow; a certificate says what went.
    """
    with alone(settings):
        past = {records: now - timedelta(days=kept) for records, kept in days.items()}
        known = read_register(settings).retention
        put_retention(
            settings,
            {**known, **{r: max(at, known.get(r, at)) for r, at in past.items()}},
        )
        rewritten = take_out(settings).segments
        if rewritten:
            forget_warehouse(settings)
            _certify_retention(settings, past, rewritten, now)
    return rewritten


def _certify_retention(
    settings: Settings,
    past: Mapping[Records, datetime],
    rewritten: list[Rewritten],
    now: datetime,
) -> None:
    went: Counter[str] = Counter()
    for each in rewritten:
        went[each.stream] += each.lines_before - each.lines
    certificate = {
        "at": now,
        "received_before": [{**vars(r), "before": at} for r, at in past.items()],
        "segments_rewritten": len(rewritten),
        "records_taken_out": went,
    }
    path = folder(settings) / "certificates" / f"retention_{now:%Y%m%dT%H%M%S}.json"
    write(path, orjson.dumps(certificate, option=orjson.OPT_INDENT_2))
