"""What a run says while it works and how it is remembered: one line per step, and <home>/last_run.json.

It listens to Dagster's events and decides nothing. The closing summary is summary.py.
"""

import json
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TextIO

import dagster as dg

from ingestion.settings import Settings
from orchestration.assets.layers import is_own_fact
from orchestration.logical_time import last_run_file

EVERY = (
    20  # without a terminal, one line per so many tables is enough to see that it moves
)


@dataclass
class RunReport:
    """What one run did. `loaded` counts rows per stream, `published` holds counts per sync."""

    run_id: str
    job: str
    as_of: str
    started_at: float
    finished_at: float = 0.0
    succeeded: bool = False
    new_events: int = 0
    loaded: dict[str, int] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    published: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """Rows that somebody else sent; our own facts of the last run are no news."""
        return sum(
            rows for stream, rows in self.loaded.items() if not is_own_fact(stream)
        )

    @property
    def changed(self) -> bool:
        """Whether anything new came in, was decided, or was sent. What was received again is not new."""
        again = ("events", "rejects")
        rows = {stream: n for stream, n in self.loaded.items() if stream not in again}
        rows = {stream: n for stream, n in rows.items() if not is_own_fact(stream)}
        requests = sum(sync.get("requests", 0) for sync in self.published.values())
        news = self.new_events + sum(rows.values()) + sum(self.facts.values())
        return bool(news or requests)

    def save(self, settings: Settings) -> None:
        path = last_run_file(settings)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)


def last_run(settings: Settings) -> RunReport | None:
    """The report of the last run command, if there was one."""
    path = last_run_file(settings)
    if not path.exists():
        return None
    known = {each.name for each in fields(RunReport)}
    said = json.loads(path.read_text())
    return RunReport(**{name: said[name] for name in known & said.keys()})


class Progress:
    """Prints steps as they end and fills the report. Give `heard` to the instance as a listener."""

    def __init__(self, report: RunReport, out: TextIO, tables: int) -> None:
        self.report = report
        self.failures: list[str] = []
        self._out, self._tables = out, tables
        self._is_live = out.isatty()
        self._started: dict[str, float] = {}
        self._built = 0
        self._checks: Counter[str] = Counter()
        self._said: dict[str, str] = {}

    def heard(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        if event.is_step_start:
            self._started[event.step_key] = time.monotonic()
        elif event.is_step_success:
            self._ended(event.step_key, self._said.get(event.step_key, ""))
        elif event.is_step_failure:
            self._failed(event)
        elif event.is_step_skipped:
            self._line(event.step_key, None, "skipped")
        elif event.is_step_materialization:
            self._materialized(event)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checked(event)

    def _materialized(self, event: dg.DagsterEvent) -> None:
        made = event.step_materialization_data.materialization
        layer, name = made.asset_key.path[0], made.asset_key.path[-1]
        said: dict[str, Any] = {key: v.value for key, v in made.metadata.items()}
        if event.step_key == "dbt_build":
            self._table_built()
        elif layer == "raw" and "loaded" in said:
            self.report.loaded[name] = said["loaded"]
            self._said["load_landing"] = f"{self.report.received:,} rows"
        elif layer == "facts":
            self.report.facts[name] = said["landed"]
            self._said["land_facts"] = f"{sum(self.report.facts.values()):,} landed"
        elif layer == "landing" and "read" in said:
            line = f"{said['read']:,} read, {said['landed']:,} landed"
            self._said[str(event.step_key)] = line
        elif layer == "publish":
            self.report.published[name] = _counts(said)
            self._said[str(event.step_key)] = said["summary"].partition(": ")[2]

    def _table_built(self) -> None:
        self._built += 1
        self._said["dbt_build"] = f"{self._built} tables"
        if self._is_live:
            self._out.write(f"\r  dbt_build … {self._built} of {self._tables} tables ")
        elif self._built % EVERY == 0:
            self._out.write(f"  dbt_build … {self._built} of {self._tables} tables\n")
        self._out.flush()

    def _checked(self, event: dg.DagsterEvent) -> None:
        check = event.asset_check_evaluation_data
        self._checks["passed" if check.passed else "failed"] += 1
        if check.passed:
            return
        name = f"{check.asset_key.to_user_string()}: {check.check_name}"
        if check.severity == dg.AssetCheckSeverity.ERROR:
            self.failures.append(f"check failed: {name}")
        else:
            self._out.write(
                f"{self._clear()}  ! {name}: {check.description or 'warning'}\n"
            )

    def _failed(self, event: dg.DagsterEvent) -> None:
        data = event.step_failure_data
        sentence = data.user_failure_data and data.user_failure_data.description
        error = data.error
        while error and error.cause:
            error = error.cause
        sentence = sentence or (
            _sentence(error.message) if error else "no reason given"
        )
        self.failures.append(f"{_shown(event.step_key)}: {sentence}")
        layer, _, name = _shown(event.step_key).partition("/")
        if layer == "publish" and data.user_failure_data:
            metadata = data.user_failure_data.metadata
            said = {key: value.value for key, value in metadata.items()}
            self.report.published[name] = _counts(said)
        self._ended(event.step_key, "FAILED")

    def _ended(self, step: str | None, said: str) -> None:
        seconds = time.monotonic() - self._started.get(step or "", time.monotonic())
        self._line(step, seconds, said)

    def _line(self, step: str | None, seconds: float | None, said: str) -> None:
        took = "" if seconds is None else f"{seconds:6.1f} s"
        self._out.write(f"{self._clear()}  {_shown(step):<40} {took:>8}  {said}\n")
        self._out.flush()

    def _clear(self) -> str:
        return "\r\033[K" if self._is_live else ""


def _sentence(message: str) -> str:
    """An error's message without the name of its class."""
    return re.sub(
        r"^[\w.]+(Error|Exception|Refused|Damaged|Busy|Invalid|Failure): ", "", message
    ).strip()


def _counts(said: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a publish step, and its sentence."""
    return {k: v for k, v in said.items() if isinstance(v, int) or k == "summary"}


def _shown(step: str | None) -> str:
    return (step or "").replace("__", "/")


def terminal() -> TextIO:
    """The real standard output, also while Dagster or dbt redirect it."""
    return sys.__stdout__ or sys.stdout
