"""The logical time of a refresh: as people write it, and the one that made the read copy.

Light on purpose: commands that answer a question import this and no Dagster.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from ingestion.settings import Settings
from orchestration.warehouse.schema import read_copy


class NoLogicalTimeError(LookupError):
    """Nobody knows at which logical time the read copy was refreshed."""


def parse_as_of(text: str) -> datetime:
    """A moment in ISO 8601 as naive UTC. Raises ValueError with a sentence."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"as_of is {text!r}, which is no time; write it like 2026-01-31T00:00:00 (UTC)."
        ) from error
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def last_run_file(settings: Settings) -> Path:
    """What the last run command left (orchestration/progress.py)."""
    return settings.home.resolve() / "last_run.json"


def last_as_of(settings: Settings) -> datetime:
    """The logical time of the run that made the read copy."""
    path = last_run_file(settings)
    report = json.loads(path.read_text()) if path.exists() else {}
    if report.get("succeeded") and report["job"] != "publish":
        return parse_as_of(report["as_of"])
    with read_copy(settings.published) as connection:
        ((landed,),) = connection.execute(
            "select max(as_of) from raw.membership_changes"
        ).fetchall()
    if landed is None:
        raise NoLogicalTimeError(
            "Nobody knows the logical time of the last refresh: say it with --as-of 2026-01-31T00:00:00."
        )
    return parse_as_of(str(landed))
