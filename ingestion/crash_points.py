"""Named write boundaries at which a test may kill the process.

A crash is simulated where it hurts: between two writes. Production code calls `reached(name)`; nothing happens
unless MILLRACE_CRASH_AT names that boundary, then the process gets SIGKILL, as if the power had gone.
"""

import os
import signal

CRASH_POINTS = (
    "landing.written",  # bytes written, not yet synced
    "landing.synced",  # synced, not yet acknowledged
    "landing.before_seal",  # complete segment, not yet renamed
    "landing.sealed",  # renamed, directory not yet synced
    "connector.landed",  # extract rows landed, state file not yet written
    "loader.inserted",  # rows inserted, transaction open
    "loader.committed",  # committed, segments not yet archived
    "loader.archived",  # archived, originals not yet removed
    "facts.landed",  # own facts landed
    "publish.copied",  # read copy written, not yet renamed
    "publish.replaced",  # read copy renamed
    "file_drop.written",  # file written, manifest not yet
    "relay.decided",  # the relay's decisions landed, nothing sent
    "delivery.attempted",  # attempt landed, nothing sent
    "delivery.sent",  # sent, outcome not landed
    "delivery.settled",  # outcome landed
    "privacy.landed",  # request landed, nothing done
    "privacy.opened",  # case written, no tombstone
    "privacy.tombstoned",  # tombstone written, nothing rewritten
    "privacy.drafted",  # a segment's new form written and noted, not in place
    "privacy.replaced",  # a segment replaced
    "privacy.forgotten",  # warehouse removed
    "privacy.swept",  # other places swept, nothing rebuilt
    "privacy.certified",  # certificate landed, case not closed
)

_hits: dict[str, int] = {}


def reached(name: str) -> None:
    """Kill this process here if MILLRACE_CRASH_AT is `name`, or `name#n` on the n-th time it is reached.

    Raises ValueError for a name that is not in CRASH_POINTS.
    """
    if name not in CRASH_POINTS:
        raise ValueError(f"{name!r} is no crash point; add it to CRASH_POINTS")
    wanted, _, nth = os.environ.get("MILLRACE_CRASH_AT", "").partition("#")
    if wanted != name:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
