"""What happens, one JSON object a line, in logs/millrace.ndjson of the home: the collector, runs and the relay alike.

Whoever has something to say says it to `logging`, with `about(...)` for the ids by which the lines of one story are
found: run_id, segment, sync, source. No line holds anybody's data. Who keeps old files rotates this one as any other.
"""

import json
import logging
import os
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from ingestion.settings import Settings

PACKAGES = ("ingestion", "orchestration")
# What Dagster knows of a line that was said in a run.
OF_RUNS = ("run_id", "job_name", "step_key")


def about(**ids: object) -> dict[str, Any]:
    """The `extra` of a log call."""
    return {"about": ids}


def log_file(home: Path) -> Path:
    return home.resolve() / "logs" / "millrace.ndjson"


def keep_lines(settings: Settings) -> None:
    """Keep what this process says. Doing it twice changes nothing."""
    kept = str(log_file(settings.home))
    for package in PACKAGES:
        log = logging.getLogger(package)
        if not any(isinstance(each, Lines) for each in log.handlers):
            log.addHandler(Lines(kept))
            log.setLevel(logging.INFO)


class Lines(WatchedFileHandler):
    """Appends lines to a file that may be moved away meanwhile; without a name, to that of Dagster's home."""

    def __init__(self, filename: str = "") -> None:
        dagster = Path(os.environ.get("DAGSTER_HOME", os.devnull))
        super().__init__(filename or log_file(dagster.parent), "a", "utf-8", delay=True)
        self.setFormatter(JsonLines())

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        run = getattr(record, "dagster_meta", {})
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": run.get("orig_message") or record.getMessage(),
            **{name: run[name] for name in OF_RUNS if run.get(name)},
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
