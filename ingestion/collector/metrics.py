"""What the collector counts about itself, in Prometheus' words. Names and labels are an interface: dashboards use them.

With several worker processes each writes its numbers into the folder PROMETHEUS_MULTIPROC_DIR, which the command line
sets, and any of them answers for all.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingestion.contracts import Event, Landed, Reject
from ingestion.contracts.refusals import IGNORED_TOPIC
from ingestion.contracts.shapes import DRIFT

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
PASSED_OVER = ("duplicate", "ignored")
"""Results of what was answered without an event being landed."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


def deliveries_file(published: Path) -> Path:
    """What orchestration says of its deliveries, for us to pass on: beside the read copy."""
    return published.with_name("deliveries.prom")


class Tally:
    """What a request's records and results will be counted as, once they are safe; the records are gone by then."""

    def __init__(
        self, records: Sequence[Landed], results: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.passed_over = Counter(
            each["status"] for each in results if each["status"] in PASSED_OVER
        )
        self.accepted, self.rejected = Counter[str](), Counter[tuple[str, str]]()
        self.drift = Counter[tuple[str, str, str]]()
        for record in records:
            if isinstance(record, Event):
                self.accepted[record.source_id] += 1
                if record.flags and record.shape == "trigger":
                    self._note_drift(record)
            elif isinstance(record, Reject) and record.code != IGNORED_TOPIC:
                self.rejected[record.source_id, record.code] += 1

    def _note_drift(self, event: Event) -> None:
        if any(flag.startswith(DRIFT) for flag in event.flags):
            self.drift[event.source_id, event.name or "", event.contract_version] += 1


class Metrics:
    """The counters of one collector."""

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._found: dict[tuple[Any, tuple[object, ...]], Any] = {}
        self._requests = self._counter(
            "millrace_requests", "Requests answered", "path", "status"
        )
        self._seconds = prometheus.Histogram(
            "millrace_request_seconds",
            "From the request's headers to the answer, the sync to disk included",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._events = self._counter(
            "millrace_events",
            "Events by what became of them: accepted, duplicate, rejected, ignored",
            "source",
            "outcome",
        )
        self._rejects = self._counter(
            "millrace_rejects", "Rejected events by reason", "source", "code"
        )
        self._drift = self._counter(
            "millrace_trigger_drift",
            "Calls of a trigger with properties that nobody declared",
            "source",
            "trigger",
            "version",
        )
        self._limited = self._counter(
            "millrace_rate_limited", "Requests over the rate of their key", "source"
        )
        self._healthy = prometheus.Gauge(
            "millrace_landing_healthy",
            "1 unless the disk refused a moment ago",
            registry=self._registry,
            multiprocess_mode="livemin",
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(name, help_text, labels, registry=self._registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._series(self._requests, path, status).inc()
        self._series(self._seconds, path).observe(seconds)

    def _series(self, metric: Any, *labels: object) -> Any:
        """A metric's series, looked up by its labels as they are: prometheus_client turns them into text each time."""
        key = metric, labels
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = metric.labels(*labels)
        return found

    def landed(self, tally: Tally, source: str, label: Callable[[str], str]) -> None:
        """Count what is safe on the disk, and what of `source` need not be there; `label` tells sources of several
        tenants apart."""
        for source_id, count in tally.accepted.items():
            self._series(self._events, label(source_id), "accepted").inc(count)
        for outcome, count in tally.passed_over.items():
            self._events.labels(label(source), outcome).inc(count)
        for (source_id, code), count in tally.rejected.items():
            self._events.labels(label(source_id), "rejected").inc(count)
            self._rejects.labels(label(source_id), code).inc(count)
        for (source_id, name, version), count in tally.drift.items():
            self._drift.labels(label(source_id), name, version).inc(count)

    def rate_limited(self, source: str) -> None:
        self._limited.labels(source).inc()

    def text(self, is_healthy: bool, tenant: str | None = None) -> bytes:
        """What was counted, for Prometheus to read: everything, or one tenant's (`""` is the house)."""
        self._healthy.set(is_healthy)
        counted = self._registry
        if os.environ.get(FOLDER):
            counted = prometheus.CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        if tenant is None:
            return prometheus.generate_latest(counted)
        return prometheus.generate_latest(_Seen(counted, tenant))


class _Seen(prometheus.CollectorRegistry):
    """What one tenant may see, of its own sources only; what has no source is the house's to see."""

    def __init__(self, counted: prometheus.CollectorRegistry, tenant: str) -> None:
        super().__init__()
        self._counted, self._tenant = counted, tenant

    def collect(self) -> Iterator[Metric]:
        for metric in self._counted.collect():
            metric.samples = [each for each in metric.samples if self._may(each.labels)]
            if metric.samples:
                yield metric

    def _may(self, labels: dict[str, str]) -> bool:
        owner, slash, _ = labels.get("source", "").partition("/")
        return (owner if slash else "") == self._tenant


class Measured:
    """ASGI middleware that counts and times each answer under the path as it is declared."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_status)
        finally:
            # Unknown paths are strangers' inventions, and would make as many series.
            path = getattr(scope.get("route"), "path", "unknown")
            self.metrics.answered(path, status, time.perf_counter() - started)
