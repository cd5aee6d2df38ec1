"""Telling people what needs them, once, and once more when it is over.

What is wrong is read from the read copy and what was landed since; what was told already is a cursor that the caller
keeps. Where it is told is orchestration/quality/tellers.py's business; the caller logs it in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import orjson

from ingestion.landing import read_tail
from ingestion.settings import Settings
from orchestration.activation.plans import delivery_segments, staleness
from orchestration.activation.waking import due_recipients, waiting
from orchestration.quality.findings import NEWS, read_findings
from orchestration.quality.tellers import Teller, tellers
from orchestration.relay.pulse import last_beat, pulse_file
from orchestration.warehouse.schema import read_copy

REFUSED_CREDENTIALS = (401, 403)
# A backlog grows when it is larger at the end of so many read copies in a row. Valid: 2 and up.
GROWING_COPIES = 3
# A relay that has not looked for so long is stuck: a delivery of its may take a while. Valid: 1 minute and up.
RELAY_PATIENCE = timedelta(minutes=5)


@dataclass
class Memory:
    """What was told and is not over, and what was left to send at the end of the last read copies."""

    told: dict[str, str] = field(default_factory=dict)
    copy: str = ""
    backlogs: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        return cls(**orjson.loads(cursor)) if cursor else cls()

    def write(self) -> str:
        return orjson.dumps(self.__dict__).decode()


def look_and_tell(
    settings: Settings,
    cursor: str | None,
    now: datetime,
    teller: Teller | None = None,
    further: Mapping[str, str] | None = None,
) -> tuple[str, list[str]]:
    """One look: the new cursor, and the sentences that were told. What nobody took is told at the next look.

    `further` is what the caller knows to be wrong besides: key → sentence.
    """
    memory = Memory.read(cursor)
    wrong = conditions(settings, memory, now) | dict(further or {})
    news = {key: said for key, said in wrong.items() if key not in memory.told}
    over = {key: said for key, said in memory.told.items() if key not in wrong}
    sentences = [*news.items()]
    sentences += [(key, f"Over: {said}") for key, said in over.items()]
    told = []
    for key, sentence in sentences:
        if not _told(settings, sentence, teller):
            continue
        told.append(sentence)
        if key in news:
            memory.told[key] = news[key]
        else:
            del memory.told[key]
    return memory.write(), told


def conditions(settings: Settings, memory: Memory, now: datetime) -> dict[str, str]:
    """What is wrong now: key → sentence."""
    with read_copy(settings.published) as connection:
        seen = delivery_segments(connection)
        tail = list(read_tail(settings.landing, "deliveries", set(seen)))
        wanted = waiting(connection)
        left = {
            sync: len(due_recipients(wanted, sync, tail)) for sync in wanted.changes
        }
        erasures = _overdue_erasures(connection, now)
        found = {
            **_held(connection, wanted.approved),
            **_stale(connection, settings, now),
            **_refused(connection, tail),
            **_left_behind(connection),
            **_odd(connection),
        }
    for sync_name, recipients in erasures.items():
        open_ = recipients & due_recipients(wanted, sync_name, tail)
        if open_:
            found[f"erasure|{sync_name}"] = (
                f"{sync_name}: {len(open_)} erased people are still there, past the day they had to be gone."
            )
    return found | _growing(settings, memory, left) | _standing_still(settings, now)


def _held(
    connection: duckdb.DuckDBPyConnection, approved: frozenset[str]
) -> dict[str, str]:
    rows = connection.execute(
        """
        select sync_name, blocked_by, count(*) from activation.activation_changes
        where is_blocked group by all
        """
    ).fetchall()
    return {
        f"guard|{sync}|{guard}": f"{sync}: {count} changes are held back by {guard}. Look: python -m orchestration.activation plan {sync}"
        for sync, guard, count in rows
        if sync not in approved
    }


def _left_behind(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Syncs whose row was taken away while people were there."""
    rows = connection.execute(
        """
        select sync_name, count(*) from activation.int_sync_delivered
        where is_present and sync_name not in (select sync_name from seeds.syncs)
        group by sync_name
        """
    ).fetchall()
    return {
        f"left|{sync}": f"{sync}: {count} people are still where this sync put them, and it has no row any more. Put the row back with the state retired, and they are taken back."
        for sync, count in rows
    }


def _stale(
    connection: duckdb.DuckDBPyConnection, settings: Settings, now: datetime
) -> dict[str, str]:
    guard = staleness(connection, settings.published, now)
    if guard is None:
        return {}
    return {f"guard|{guard}": f"Every plan is held back by {guard}: refresh first."}


def _refused(
    connection: duckdb.DuckDBPyConnection, tail: list[dict[str, Any]]
) -> dict[str, str]:
    """Accounts whose last run was refused for its credentials."""
    rows = connection.execute(
        """
        select account, http_status from raw.deliveries
        where kind = 'run' order by "at", record_id
        """
    ).fetchall()
    last = dict(rows)
    for row in sorted(tail, key=lambda row: (row["at"], row["record_id"])):
        if row["kind"] == "run":
            last[row["account"]] = row["http_status"]
    return {
        f"credentials|{account}": f"{account} refuses our credentials ({status}): renew them; nothing reaches it until then."
        for account, status in last.items()
        if status in REFUSED_CREDENTIALS
    }


def _standing_still(settings: Settings, now: datetime) -> dict[str, str]:
    """The relay, once it has been on."""
    beaten = last_beat(settings)
    if beaten is None or now - beaten < RELAY_PATIENCE:
        return {}
    return {
        "relay|stuck": (
            f"relay: nobody has relayed since {beaten:%Y-%m-%d %H:%M} UTC, sent triggers wait for the next refresh. Are the sensors "
            "relay_one and relay_two on, what do their ticks say, who holds data/locks/relay.lock? If it is off on purpose: "
            f"remove {pulse_file(settings).name} beside that lock."
        )
    }


def _odd(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What is not as it was."""
    found = read_findings(connection)
    return {each.key: each.sentence() for each in found if each.finding not in NEWS}


def _overdue_erasures(
    connection: duckdb.DuckDBPyConnection, now: datetime
) -> dict[str, set[str]]:
    rows = connection.execute(
        """
        select changes.sync_name, changes.recipient_key
        from activation.activation_changes as changes
        inner join activation.int_recipient_consents as consents
            on
                changes.sync_name = consents.sync_name
                and changes.recipient_key = consents.recipient_key
        where changes.reason = 'erased' and consents.erase_by < ?
        """,
        [now.replace(tzinfo=None)],
    ).fetchall()
    overdue: dict[str, set[str]] = {}
    for sync_name, key in rows:
        overdue.setdefault(sync_name, set()).add(key)
    return overdue


def _growing(
    settings: Settings, memory: Memory, left: dict[str, int]
) -> dict[str, str]:
    """Syncs that had more left to send at the end of each of the last read copies."""
    copy = str(settings.published.stat().st_mtime_ns)
    is_new, memory.copy = copy != memory.copy, copy
    grown = {}
    for sync_name, count in left.items():
        counts = memory.backlogs.setdefault(sync_name, [])
        if is_new or not counts:
            counts.append(count)
        else:
            counts[-1] = count
        del counts[:-GROWING_COPIES]
        rises = all(a < b for a, b in pairwise(counts))
        if len(counts) == GROWING_COPIES and counts[0] and rises:
            grown[f"backlog|{sync_name}"] = (
                f"{sync_name}: the backlog grows ({', '.join(map(str, counts))} changes): is the destination too slow, or down?"
            )
    return grown


def _told(settings: Settings, sentence: str, teller: Teller | None) -> bool:
    """Whether anybody took it, who is named; where nobody is, the log is enough."""
    if teller is not None:
        return teller.tell(sentence)
    if settings.alerts is None:
        return True
    with tellers(settings) as named:
        taken = [each.tell(sentence) for each in named]
    return any(taken)
